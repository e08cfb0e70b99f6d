"""Variational Bayesian quantization: the coder on a model, and its tables counted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.coding import Codec
from rdbound.coding.coders.registry import make_coder
from rdbound.coding.coders.vbq.coder import ConditionalPrior, EmpiricalPrior, VBQCoder, vbq_channel
from rdbound.coding.coders.vbq.empirical_prior import ChannelDensities
from rdbound.coding.coders.vbq.tables import PENALTIES, PRIOR_SCALES, density_key, points_key
from rdbound.coding.entropy.frequency_tables import TOTAL
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.evaluation.latent_statistics import GaussianLevel
from rdbound.evaluation.vbq_calibration import counted
from rdbound.ops.code_points import REACH
from rdbound.ops.distributions import Gaussian, Mixture
from tests.toy import Toy, code_points

SHAPE = (6, 5, 16)


def _latent(rng, shape=SHAPE):
    """A posterior and a prior that it could come from."""
    mu_hat, log_scale = rng.normal(size=shape), rng.uniform(-1, 2, shape)
    log_sigma = log_scale + rng.uniform(-3.0, 0.0, shape)
    mu = mu_hat + np.exp(log_scale) * rng.normal(size=shape)
    as32 = lambda *arrays: (np.asarray(a, np.float32) for a in arrays)  # noqa: E731
    return Gaussian(*as32(mu, log_sigma)), Gaussian(*as32(mu_hat, log_scale))


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": 0.01},
        {"penalty": 0.7, "prior": "empirical"},
        {"penalty": 30.0, "weigh": "codes"},
        {"prior": "empirical", "weigh": "codes"},
        {},
    ],
)
def test_a_stream_says_all_that_its_reader_needs(options, rng):
    image = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
    model = Toy("bound")
    codec = Codec(model, code_points(), coder="vbq", **options)
    data = codec.encode(image).data
    assert codec.coder.parameters == options
    np.testing.assert_array_equal(
        Codec(model, code_points()).decode(data).datum, codec.decode(data).datum
    )


@pytest.mark.parametrize("prior", ["conditional", "empirical"])
def test_a_penalty_without_weight_conveys_the_means(prior, rng):
    posterior, of = _latent(rng)
    coder = VBQCoder(code_points(), penalty=float(PENALTIES[0] / 16), prior=prior)
    found = coder.write(1, posterior, of, Writer())
    sigma = np.exp(posterior.log_sigma)
    # An error of half a bit's worth is 0.04 σ.
    assert np.sqrt(np.mean(((found - posterior.mu) / sigma) ** 2)) < 0.08


def test_the_channel_takes_the_same_points_and_counts_the_same_bits(rng):
    posterior, prior = _latent(rng)
    for penalty in (0.05, 0.7, 8.0):
        coder = VBQCoder(code_points(), penalty=penalty)
        streams = [Writer() for _ in range(2)]
        found = coder.write(1, posterior, prior, streams[0])
        channel = vbq_channel(code_points(), penalty).at_level(1)
        both = (Gaussian(*map(jnp.asarray, of)) for of in (posterior, prior))
        with jax.numpy_dtype_promotion("strict"):
            sample, bits = channel(*both, jax.random.key(0))
        np.testing.assert_allclose(sample, found, atol=1e-4)
        assert 8 * len(streams[0].finish()) == pytest.approx(float(bits.sum()), abs=64)


def test_points_chosen_by_their_codes_are_the_better_bargain(rng):
    """Error² / (2σ²) + penalty·bits of what is written: that is what they are chosen to lower."""
    posterior, prior = _latent(rng, (50, 50, 16))
    # Counted on latents of their own kind, which the toy's are not.
    tables = counted([[GaussianLevel(posterior, prior)]], 1)
    found = {}
    for weigh in ("bits", "codes"):
        stream = Writer()
        values = VBQCoder(tables, weigh=weigh).write(0, posterior, prior, stream)
        nats = 0.5 * (((values - posterior.mu) / np.exp(posterior.log_sigma)) ** 2).sum()
        found[weigh] = nats + np.log(2) * 8 * len(stream.finish())
    assert found["codes"] < 0.97 * found["bits"]


def test_the_channel_without_tables_says_what_to_do():
    of = Gaussian(jnp.zeros(3), jnp.zeros(3))
    with pytest.raises(ValueError, match="rdbound calibrate"):
        vbq_channel({})(of, of, jax.random.key(0))


def test_what_is_read_was_written_by_any_prior(rng):
    posterior, prior = _latent(rng)
    for kind in ("conditional", "empirical"):
        coder, stream = VBQCoder(code_points(), prior=kind), Writer()
        written = coder.write(1, posterior, prior, stream)
        read = coder.read(1, prior, SHAPE, Reader(stream.finish()))
        np.testing.assert_array_equal(read, written)
        assert written.dtype == np.float32


def test_what_a_mean_s_density_a_channel_serves_any_prior(rng):
    mixture = Mixture(*(np.zeros((16, 2), np.float32),) * 3, np.zeros(16, np.float32))
    posterior, _ = _latent(rng)
    stream = Writer()
    VBQCoder(code_points(), prior="empirical").write(1, posterior, mixture, stream)
    with pytest.raises(ValueError, match="need a Gaussian, not Mixture: take prior=empirical"):
        VBQCoder(code_points()).write(1, posterior, mixture, stream)


def test_a_gaussian_s_points_are_its_quantiles():
    prior = Gaussian(np.float32([1.0, 1.0]), np.log(np.float32([2.0, 2.0])))
    known = ConditionalPrior(prior, (2,))
    half, upper = known.quantile(np.array([0.5, 0.8413447460685429]), np.arange(2))
    assert half == pytest.approx(1.0)
    assert upper == pytest.approx(3.0)
    np.testing.assert_allclose(known.cdf(np.array([1.0, 3.0])), [0.5, 0.8413447460685429])


def test_tables_by_a_density_are_chosen_by_its_spread():
    tables = code_points()
    channel = np.broadcast_to(np.arange(SHAPE[-1]), SHAPE).ravel()
    known = EmpiricalPrior(tables[density_key(1)], channel)
    chosen = known.spread(Writer()).reshape(SHAPE)
    assert (chosen == chosen[0, 0]).all()
    spreads = ChannelDensities(tables[density_key(1)]).spreads
    np.testing.assert_array_equal(chosen[0, 0], PRIOR_SCALES.nearest(np.log(spreads))[0])


def test_calibration_counts_the_points_of_each_penalty(rng):
    posterior, prior = _latent(rng)
    wide = Gaussian(prior.mu, np.full(SHAPE, PRIOR_SCALES.value(12), np.float32))
    tables = counted([[GaussianLevel(posterior, wide)]], 1)
    known = ConditionalPrior(wide, SHAPE)
    for node in (0, 3, 6):
        points = known.points(posterior, PENALTIES[node])
        median = np.mean(points.bits == 1)
        table = tables[points_key(0, "conditional", "bits")][PRIOR_SCALES.levels * node + 12]
        # 480 points are counted, and 16.25 are assumed of which the median has its share.
        assert table.frequencies[REACH] / TOTAL == pytest.approx(median, abs=0.002)


def test_means_of_any_scale_are_conveyed_by_their_own_density(rng):
    posterior, prior = _latent(rng)
    scaled = Gaussian(40 * posterior.mu, posterior.log_sigma + np.log(np.float32(40)))
    tables = counted([[GaussianLevel(scaled, prior)]], 1)
    coder = VBQCoder(tables, penalty=0.02, prior="empirical")
    found = coder.write(0, scaled, prior, Writer())
    error = (found - scaled.mu) / np.exp(scaled.log_sigma)
    assert np.sqrt(np.mean(error**2)) < 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": 0.0}, "penalty: .*greater than or equal to 0.00067.*, found 0.0"),
        ({"penalty": 1e6}, "penalty: .*less than or equal to 709.7.*, found 1000000.0"),
        ({"penalty": float("nan")}, "penalty: .*found nan"),
        ({"weigh": "best"}, "weigh: .*'bits' or 'codes', found 'best'"),
        ({"prior": "best"}, "prior: .*'conditional' or 'empirical', found 'best'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=f"^coder 'vbq': {message}"):
        make_coder("vbq", "bound", code_points(), **options)


def test_a_checkpoint_without_tables_says_what_to_do():
    with pytest.raises(ValueError, match=r"no tables of code points; .* rdbound calibrate"):
        Codec(Toy("bound"), coder="vbq")
