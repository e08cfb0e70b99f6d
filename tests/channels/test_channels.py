"""One protocol, every channel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.channels import CHANNELS, make_channel
from rdbound.ops.distributions import Gaussian, Mixture
from rdbound.ops.quantization import kumaraswamy, soft_round

SHAPE = (5, 7)
MADE_OF_OTHERS = {"combined", "per-level", "anchored", "bits-back"}
NEED_A_GAUSSIAN = ("gaussian", "prior-scaled", "layered")
# Code points need a checkpoint's tables: tests/coding/coders/vbq/test_coder.py.
NAMES = [name for name in CHANNELS if name not in MADE_OF_OTHERS | {"vbq"}]


def _posterior(key):
    return Gaussian(3.0 * jax.random.normal(key, SHAPE), jnp.full(SHAPE, -1.0))


def _prior():
    return Gaussian(jnp.full(SHAPE, 0.25), jnp.full(SHAPE, 1.0))


@pytest.mark.parametrize("name", NAMES)
def test_a_channel_is_pure_finite_and_shaped(name, key):
    channel = make_channel(name).at(jnp.asarray(0.5))
    posterior, prior = _posterior(key), _prior()
    first, again = channel(posterior, prior, key), channel(posterior, prior, key)
    for a, b in zip(first, again, strict=True):
        assert a.shape == SHAPE
        assert jnp.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("rounding", "noiseless")])
def test_gradients_reach_posterior_and_prior(name, key):
    channel = make_channel(name)

    def total(posterior, prior):
        sample, bits = channel(posterior, prior, key)
        return jnp.sum(sample**2) + jnp.sum(bits)

    g_posterior, g_prior = jax.grad(total, argnums=(0, 1))(_posterior(key), _prior())
    assert float(jnp.abs(g_posterior.mu).max()) > 0
    assert float(jnp.abs(g_prior.log_sigma).max()) > 0


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NEED_A_GAUSSIAN])
def test_quantizing_channels_take_a_mixture(name, key):
    shape = (*SHAPE, 2)
    prior = Mixture(
        jnp.full(shape, jnp.log(0.5)), jnp.zeros(shape), jnp.ones(shape), jnp.zeros(SHAPE)
    )
    assert jnp.isfinite(make_channel(name)(_posterior(key), prior, key).bits).all()


@pytest.mark.parametrize("name", NEED_A_GAUSSIAN)
def test_a_channel_of_gaussians_refuses_a_mixture(name, key):
    prior = Mixture(*(jnp.zeros((*SHAPE, 1)) for _ in range(3)), jnp.zeros(SHAPE))
    with pytest.raises(ValueError, match="needs a Gaussian prior, not Mixture"):
        make_channel(name)(_posterior(key), prior, key)


def test_gaussian_rate_is_the_expected_log_ratio(key):
    posterior, prior = _posterior(key), _prior()
    channel = make_channel("gaussian")
    keys = jax.random.split(key, 20_000)
    samples = jax.vmap(lambda k: channel(posterior, prior, k).sample)(keys)

    def log_density(x, d):
        return -0.5 * ((x - d.mu) / jnp.exp(d.log_sigma)) ** 2 - d.log_sigma

    one = lambda x: (log_density(x, posterior) - log_density(x, prior)) / np.log(2)  # noqa: E731
    ratio = jax.vmap(one)(samples)
    error = ratio.std(axis=0) / np.sqrt(len(keys))
    bits = channel(posterior, prior, key).bits
    assert (jnp.abs(ratio.mean(axis=0) - bits) < 5 * error).all()


def test_rounding_leaves_integers_from_the_centre(key):
    posterior, prior = _posterior(key), _prior()
    residual = make_channel("rounding")(posterior, prior, key).sample - prior.mu
    np.testing.assert_allclose(residual, jnp.round(residual), atol=1e-5)
    assert float(jnp.abs(residual + prior.mu - posterior.mu).max()) <= 0.5 + 1e-5


def test_mixed_conveys_what_rounding_conveys(key):
    posterior, prior = _posterior(key), _prior()
    mixed, rounded = (make_channel(n)(posterior, prior, key) for n in ("mixed", "rounding"))
    np.testing.assert_allclose(mixed.sample, rounded.sample, atol=1e-5)


def test_sga_follows_its_schedule_and_becomes_rounding(key):
    """Yang, Bamler & Mandt 2020: 0.5·exp(−0.001·(t − 700)) at step t, here of 2000."""
    channel = make_channel("sga", initial=0.5, start=0.35, final=0.5 * np.exp(-1.3))
    for step, temperature in ((0, 0.5), (100, 0.5), (700, 0.5), (1700, 0.5 * np.exp(-1.0))):
        found = channel.at(jnp.asarray(step / 2000)).temperature
        assert float(found) == pytest.approx(temperature, rel=1e-5)
    assert float(channel.at(1.0).temperature) == pytest.approx(0.5 * np.exp(-1.3))
    assert float(make_channel("sga", final=1e-12).at(1.0).temperature) == pytest.approx(1e-8)
    posterior, prior = _posterior(key), _prior()
    cold = make_channel("sga", final=1e-6).at(jnp.asarray(1.0))(posterior, prior, key)
    rounded = make_channel("rounding")(posterior, prior, key)
    np.testing.assert_allclose(cold.sample, rounded.sample, atol=1e-3)
    np.testing.assert_allclose(cold.bits, rounded.bits, atol=1e-2)


def test_deterministic_annealing_is_the_mean_under_sgas_probabilities(key):
    """At 0.3 above an integer and τ = ½ the upper one has 1/(1 + e^((atanh 0.7 − atanh 0.3)·2))."""
    channel = make_channel("annealed", initial=0.5, start=0.35, final=1e-6)
    prior = Gaussian(jnp.zeros(3), jnp.ones(3))
    warm = channel.at(0.1)(Gaussian(jnp.array([0.3, -1.7, 2.0]), jnp.zeros(3)), prior, key)
    lower, upper = np.exp(-2 * np.arctanh([0.3, 0.7]))
    share = upper / (lower + upper)
    np.testing.assert_allclose(warm.sample[:2], [share, share - 2], rtol=1e-5)
    assert abs(float(warm.sample[2]) - 2) < 1e-4
    np.testing.assert_allclose(warm.bits, prior.bin_bits(warm.sample), rtol=1e-6)
    cold = channel.at(1.0)(_posterior(key), _prior(), key)
    rounded = make_channel("rounding")(_posterior(key), _prior(), key)
    np.testing.assert_allclose(cold.sample, rounded.sample, atol=1e-3)


def test_map_conveys_the_mean_at_the_rate_of_its_box(key):
    posterior, prior = _posterior(key), _prior()
    found = make_channel("map")(posterior, prior, key)
    np.testing.assert_array_equal(found.sample, posterior.mu)
    np.testing.assert_allclose(found.bits, prior.bin_bits(posterior.mu), rtol=1e-6)


def test_soft_rounding_anneals_both_its_temperature_and_its_noise(key):
    """At 0.3 and peaked noise first; at the end of the steps at 0.1 and uniform."""
    posterior, prior = _posterior(key), _prior()
    channel = make_channel("soft-rounding")
    for progress, temperature, a in ((0.0, 0.3, 2.0), (0.25, 0.25, 1.75), (1.0, 0.1, 1.0)):
        noise = kumaraswamy(key, a, SHAPE) - 0.5
        r = posterior.mu - prior.mu
        expected = soft_round(soft_round(r, temperature) + noise, temperature) + prior.mu
        found = channel.at(jnp.asarray(progress))(posterior, prior, key)
        np.testing.assert_allclose(found.sample, expected, atol=1e-5)
        np.testing.assert_allclose(found.bits, prior.bin_bits(expected), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": [0.3, 0.0]}, "temperature.1: .*greater than 0, found 0"),
        ({"peakedness": [0.5, 1.0]}, "peakedness.0: .*greater than or equal to 1"),
    ],
)
def test_what_soft_rounding_cannot_be_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        make_channel("soft-rounding", **options)


def test_an_unknown_channel_is_named():
    with pytest.raises(ValueError, match="unknown channel 'guassian': choose one of gaussian"):
        make_channel("guassian")


def test_mixed_charges_what_uniform_noise_costs(key):
    """The rate at the noisy value, not at the rounded one."""
    posterior, prior = _posterior(key), _prior()
    mixed, uniform, rounded = (
        make_channel(n)(posterior, prior, key) for n in ("mixed", "uniform", "rounding")
    )
    np.testing.assert_array_equal(mixed.bits, uniform.bits)
    assert float(jnp.abs(mixed.bits - rounded.bits).max()) > 0.05


def test_straight_through_is_rounding_with_the_gradient_of_the_identity(key):
    posterior, prior = _posterior(key), _prior()
    channel, rounding = make_channel("straight-through"), make_channel("rounding")
    for a, b in zip(channel(posterior, prior, key), rounding(posterior, prior, key), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    total = lambda mu: jnp.sum(channel(posterior._replace(mu=mu), prior, key).sample)  # noqa: E731
    np.testing.assert_allclose(jax.grad(total)(posterior.mu), 1.0)


def test_a_combination_is_the_sample_of_one_and_the_bits_of_the_other(key):
    posterior, prior = _posterior(key), _prior()
    channel = make_channel("combined", sample="gaussian", bits={"name": "uniform"})
    both = channel(posterior, prior, key)
    np.testing.assert_array_equal(both.sample, make_channel("gaussian")(posterior, prior, key)[0])
    np.testing.assert_array_equal(both.bits, make_channel("uniform")(posterior, prior, key)[1])


def test_a_channel_per_level_is_each_in_its_place(key):
    posterior, prior = _posterior(key), _prior()
    levels = ["gaussian", {"name": "sga", "options": {"initial": 0.4, "final": 0.1, "start": 0.0}}]
    channel = make_channel("per-level", levels=levels).at(0.5)
    for level, name in ((0, "gaussian"), (1, "sga"), (7, "sga")):
        plain = (
            make_channel(name)
            if name == "gaussian"
            else make_channel("sga", initial=0.4, final=0.1, start=0.0).at(0.5)
        )
        for a, b in zip(
            channel.at_level(level)(posterior, prior, key),
            plain(posterior, prior, key),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="choose one with at_level"):
        channel(posterior, prior, key)


def test_channels_that_use_the_key_are_random():
    random = {name: make_channel(name).random for name in NAMES}
    assert {name for name, yes in random.items() if not yes} == {
        "rounding",
        "straight-through",
        "noiseless",
        "map",
        "annealed",
    }
    assert make_channel("per-level", levels=["rounding", "gaussian"]).random
    assert not make_channel("per-level", levels=["rounding"]).random


def test_sga_starts_at_the_temperature_it_is_given(key):
    """Before any step the temperature is ``initial``, whatever the default."""
    posterior, prior = _posterior(key), _prior()
    channel = make_channel("sga", initial=0.2)
    for a, b in zip(
        channel(posterior, prior, key), channel.at(0.0)(posterior, prior, key), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_without_noise_the_mean_is_conveyed_and_nothing_charged(key):
    sample, bits = make_channel("noiseless")(_posterior(key), _prior(), key)
    np.testing.assert_array_equal(sample, _posterior(key).mu)
    assert float(jnp.abs(bits).max()) == 0.0
