"""Dithered quantization: the noise it makes, and the bits it takes."""

import numpy as np
import pytest
from scipy import stats

from rdbound.coding.coders.dithered import DitheredCoder
from rdbound.coding.coders.registry import make_coder
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.shared_randomness import DITHERS, dither, shared_integers
from rdbound.ops.distributions import Gaussian, Lookup, Mixture


def _written(coder, mu, prior):
    """(the latent, the bits of the stream); what is read is the same, by another coder."""
    writer = Writer()
    latent = coder.write(0, Gaussian(mu, np.zeros_like(mu)), prior, writer)
    data = writer.finish()
    reader = Reader(data)
    read = DitheredCoder({}, **coder.parameters).read(0, prior, mu.shape, reader)
    np.testing.assert_array_equal(read, latent)
    assert reader.crc == writer.crc
    assert reader.exhausted()
    return latent, 8 * len(data)


def _gaussian(n, sigma, mu=0.0):
    return Gaussian(np.full(n, mu, np.float32), np.full(n, np.log(sigma), np.float32))


def test_shared_integers_are_those_of_philox():
    """The known answer of Philox 4×64 with ten rounds (Random123, kat_vectors), whose counter
    is zero: NumPy counts up before it draws."""
    known = np.random.Philox(key=[0, 0], counter=[2**64 - 1] * 4).random_raw(4)
    assert known.tolist() == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]
    assert shared_integers(1, 2, 3).tolist() == [
        0x4F2F4313B5536B09,
        0x5B617BE3219FF32A,
        0x097293476F9275CB,
    ]
    assert (shared_integers(1, 2, 9)[:4] == shared_integers(1, 2, 4)).all()
    assert (shared_integers(1, 2, 4) != shared_integers(2, 1, 4)).all()
    assert (shared_integers(1, 2, 4) != shared_integers(1, 3, 4)).all()


def test_the_dither_is_even_and_symmetric():
    ends = np.array([0, 2**48, 2**64 - 1], np.uint64)
    np.testing.assert_array_equal(
        dither(ends) * DITHERS, [0.5 - DITHERS / 2, 1.5 - DITHERS / 2, DITHERS / 2 - 0.5]
    )
    u = dither(shared_integers(5, 0, 100_000))
    assert stats.kstest(u, stats.uniform(-0.5, 1).cdf).pvalue > 1e-3


@pytest.mark.parametrize("sigma", [0.05, 0.3, 4.0])
def test_the_error_is_uniform_and_independent_of_what_is_conveyed(sigma, rng):
    n = 100_000
    mu = rng.normal(1.25, sigma, n).astype(np.float32)
    latent, _ = _written(DitheredCoder({}, seed=3), mu, _gaussian(n, sigma, 1.0))
    error = (latent - mu).astype(np.float64)
    assert stats.kstest(error, stats.uniform(-0.5, 1).cdf).pvalue > 1e-3
    for f in (lambda x: x, np.abs, np.square):
        assert abs(np.corrcoef(f(error), f(mu))[0, 1]) < 4 / n**0.5


def _entropy_of_the_sum(sigma):
    """h(N(0, σ²) + U) in bits, by quadrature of the density Φ(x + ½) − Φ(x − ½)."""
    x = np.linspace(-12 * sigma - 1, 12 * sigma + 1, 400_001)
    p = stats.norm.cdf(x + 0.5, scale=sigma) - stats.norm.cdf(x - 0.5, scale=sigma)
    return -np.sum(np.where(p > 0, p * np.log2(np.maximum(p, 1e-300)), 0)) * (x[1] - x[0])


@pytest.mark.parametrize("sigma", [0.15, 0.5, 1.0, 20.0])
def test_a_gaussian_costs_the_entropy_of_the_noisy_latent(sigma, rng):
    """The uniform noise itself has no entropy: this is the mutual information."""
    n = 400_000
    mu = rng.normal(0, sigma, n).astype(np.float32)
    prior = _gaussian(n, sigma)
    latent, bits = _written(DitheredCoder({}, seed=1), mu, prior)
    ideal = np.asarray(prior.bin_bits(latent))
    expected = _entropy_of_the_sum(sigma)
    assert abs(ideal.mean() - expected) < 4 * ideal.std() / n**0.5
    # Of the bytes: nearest scales a half step apart, and cells, at most 0.004 bits more.
    assert -0.001 < bits / n - ideal.mean() < 0.004


def test_at_high_rate_it_costs_a_quarter_bit_over_the_rate_distortion_function(rng):
    n, sigma = 1_000_000, 30.0
    mu = rng.normal(0, sigma, n).astype(np.float32)
    prior = _gaussian(n, sigma)
    latent, _ = _written(DitheredCoder({}, seed=2), mu, prior)
    bits = np.asarray(prior.bin_bits(latent))
    distortion = np.mean((latent - mu) ** 2)
    assert abs(distortion - 1 / 12) < 4 * (1 / 180 / n) ** 0.5
    over = bits - 0.5 * np.log2(sigma**2 / distortion)
    assert abs(over.mean() - 0.5 * np.log2(2 * np.pi * np.e / 12)) < 4 * bits.std() / n**0.5


def test_a_mixture_costs_minus_log_of_its_shifted_boxes(rng):
    prior = Mixture(
        np.log([[0.25, 0.75], [0.5, 0.5]]),
        np.array([[-2.0, 1.0], [0.1, 0.1]]),
        np.log([[0.4, 1.5], [0.2, 6.0]]),
        np.array([0.3, 0.1]),
    )
    n = 50_000
    part = (rng.random((n, 2)) < np.exp(prior.log_weight[:, 1])).astype(int)
    mu = rng.normal(prior.mu[[0, 1], part], np.exp(prior.log_sigma[[0, 1], part]))
    mu = mu.astype(np.float32)
    latent, bits = _written(DitheredCoder({}, seed=7), mu, prior)
    ideal = np.asarray(prior.bin_bits(latent)).sum()
    assert abs(bits / ideal - 1) < 0.002
    error = (latent - mu).ravel()
    assert stats.kstest(error, stats.uniform(-0.5, 1).cdf).pvalue > 1e-3


def test_a_decoder_whose_floats_differ_in_the_last_digits_reads_the_same(rng):
    n = 20_000
    sigma = np.exp(rng.uniform(-3, 5, n))
    mu = rng.normal(0, sigma).astype(np.float32)
    prior = Gaussian(np.zeros(n, np.float32), np.log(sigma).astype(np.float32))
    writer = Writer()
    latent = DitheredCoder({}).write(0, Gaussian(mu, mu), prior, writer)
    reader = Reader(writer.finish())
    other = prior._replace(log_sigma=prior.log_sigma + rng.uniform(-5e-6, 5e-6, n))
    np.testing.assert_array_equal(DitheredCoder({}).read(0, other, (n,), reader), latent)
    assert reader.crc == writer.crc


def test_seeds_give_other_dithers_and_travel(rng):
    mu = rng.normal(size=100).astype(np.float32)
    latents = [_written(DitheredCoder({}, seed=s), mu, _gaussian(100, 1.0))[0] for s in (0, 1)]
    assert (latents[0] != latents[1]).all()
    assert DitheredCoder({}).parameters == {}
    assert DitheredCoder({}, seed=9).parameters == {"seed": 9}


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_told(seed):
    with pytest.raises(ValueError, match=rf"^coder 'dithered': seed: .*, found {seed}$"):
        make_coder("dithered", "codec", {}, seed=seed)


class _Unshiftable:
    centre = np.float32(0)

    def table_of(self, shape):
        return Lookup("other", np.zeros(shape), False)


def test_a_prior_that_cannot_be_shifted_names_the_alternative():
    with pytest.raises(
        ValueError, match=r"level 2: .*_Unshiftable.*the coder 'rounding' serves it"
    ):
        DitheredCoder({}).write(2, Gaussian(np.zeros(3), np.zeros(3)), _Unshiftable(), Writer())


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0**31])
def test_what_cannot_be_written_is_told(bad):
    mu = np.array([bad], np.float32)
    with pytest.raises(ValueError, match="not finite or larger"):
        DitheredCoder({}).write(0, Gaussian(mu, mu), _gaussian(1, 1.0), Writer())
