"""The layered quantizer: exact Gaussian noise, and what it takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma

from rdbound.channels import make_channel
from rdbound.coding.coders.layered import LayeredCoder
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.ops.distributions import Gaussian, Mixture
from rdbound.ops.tied_scale import NOISES, SPREADS, PriorScaled, nearest_prior_scaled, spread_of

HIGH_RATE = 0.5 * np.log2(2 * np.pi * np.e) - 1 - 0.5 * (digamma(1.5) + np.log(2)) / np.log(2)
"""h(N(0, 1)) − E log₂(2·χ₃): E ln χ²₃ = ψ(3/2) + ln 2."""


def _written(mu, noise, prior, seed=0):
    """(the latent, the bits of the stream); what is read is the same, by another coder."""
    writer = Writer()
    posterior = PriorScaled(mu, np.full(mu.shape[-1], noise, np.float32))
    latent = LayeredCoder({}, seed=seed).write(0, posterior, prior, writer)
    data = writer.finish()
    reader = Reader(data)
    read = LayeredCoder({}, seed=seed).read(0, prior, mu.shape, reader)
    np.testing.assert_array_equal(read, latent)
    assert reader.crc == writer.crc
    assert reader.exhausted()
    return latent, 8 * len(data)


def _drawn(rng, sigma, noise, n=200_000):
    """Means of the prior N(0.5, σ̂²) less the noise it is conveyed with, and the prior."""
    s = (1 / sigma**2 + np.exp(-2 * noise)) ** -0.5
    mu = (0.5 + np.sqrt(sigma**2 - s**2) * rng.standard_normal((n, 1))).astype(np.float32)
    prior = Gaussian(np.full((n, 1), 0.5, np.float32), np.full((n, 1), np.log(sigma), np.float32))
    return mu, prior, s


@pytest.mark.parametrize("sigma", [0.4, 2.0, 30.0])
def test_the_error_is_gaussian_and_independent_of_what_is_conveyed(sigma, rng):
    mu, prior, s = _drawn(rng, sigma, -0.75)
    latent, _ = _written(mu, -0.75, prior, seed=4)
    error = (latent - mu).ravel().astype(np.float64)
    assert stats.kstest(error, stats.norm(0, s).cdf).pvalue > 1e-3
    for f in (lambda x: x, np.abs, np.square):
        assert abs(np.corrcoef(f(error), f(mu.ravel()))[0, 1]) < 4 / len(error) ** 0.5


def test_the_high_rate_constant_is_half_a_bit():
    assert abs(HIGH_RATE - 0.5208) < 5e-5


def _conditional_entropy(ratio_of_chi):
    """H(index | dither, χ) of N(0, 1)-means: ∫ h(m/w + U) less 0, averaged over χ, by quadrature.

    Given the step w the index and the dither together say ⌊·⌉ + u: their density is that of
    the mean over w, convolved with a unit box.
    """
    chis = stats.chi.ppf((np.arange(400) + 0.5) / 400, 3)
    total = 0.0
    for chi in chis:
        r = ratio_of_chi(chi)
        x = np.linspace(-10 * r - 1, 10 * r + 1, 20_001)
        p = stats.norm.cdf((x + 0.5) / r) - stats.norm.cdf((x - 0.5) / r)
        total -= np.sum(np.where(p > 0, p * np.log2(np.maximum(p, 1e-300)), 0)) * (x[1] - x[0])
    return total / len(chis)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 2.0, 30.0])
def test_the_bits_are_the_conditional_entropy_of_the_index(sigma, rng):
    noise = -0.75
    mu, prior, _ = _drawn(rng, sigma, noise)
    expected = _conditional_entropy(lambda chi: sigma / np.exp(noise) / (2 * chi))
    _, bits = _written(mu, noise, prior)
    posterior = PriorScaled(mu, np.full(1, noise, np.float32))
    ideal = make_channel("layered")(posterior, prior, jax.random.key(0)).bits
    error = float(ideal.std()) / len(mu) ** 0.5
    assert abs(float(ideal.mean()) - expected) < 4 * error + 2e-4
    # Of the bytes: scales a half step apart, and cells.
    assert -4 * error - 1e-3 < bits / len(mu) - expected < 4 * error + 4e-3


def test_at_high_rate_it_costs_half_a_bit_over_the_divergence(rng):
    noise, sigma = -0.75, 1000.0 * np.exp(-0.75)
    mu, prior, _ = _drawn(rng, sigma, noise, 400_000)
    posterior = PriorScaled(mu, np.full(1, noise, np.float32))
    over = (
        make_channel("layered")(posterior, prior, jax.random.key(1)).bits
        - make_channel("prior-scaled")(posterior, prior, jax.random.key(1)).bits
    )
    assert abs(float(over.mean()) - HIGH_RATE) < 4 * float(over.std()) / len(mu) ** 0.5


def test_the_channels_sample_is_gaussian_around_the_mean(rng):
    mu, prior, s = _drawn(rng, 2.0, -0.5)
    posterior = PriorScaled(mu, np.full(1, -0.5, np.float32))
    for name in ("layered", "prior-scaled"):
        sample = make_channel(name)(posterior, prior, jax.random.key(3)).sample
        error = np.asarray(sample - mu, np.float64).ravel()
        assert stats.kstest(error, stats.norm(0, s).cdf).pvalue > 1e-3


def test_a_collapsed_latent_costs_nothing():
    """The posterior is the prior: the noise is the largest there is, the index always zero."""
    shape = (64, 64, 8)
    prior = Gaussian(np.zeros(shape, np.float32), np.full(shape, -2.0, np.float32))
    writer = Writer()
    LayeredCoder({}).write(0, Gaussian(prior.mu, prior.log_sigma), prior, writer)
    assert len(writer.finish()) < 32


def test_a_noise_and_a_spread_a_channel_travel(rng):
    n, channels = 2000, 30
    prior = Gaussian(np.zeros((n, channels), np.float32), np.zeros((n, channels), np.float32))
    noises, spreads = rng.choice(NOISES[8:20], channels), rng.choice(SPREADS, channels)
    posterior = PriorScaled(rng.standard_normal((n, channels)).astype(np.float32), noises, spreads)
    writer = Writer()
    latent = LayeredCoder({}).write(0, posterior, prior, writer)
    reader = Reader(writer.finish())
    np.testing.assert_array_equal(LayeredCoder({}).read(0, prior, latent.shape, reader), latent)
    scales = -0.5 * np.log(1 + np.exp(-2 * noises))
    error = np.log((latent - posterior.mu).std(0)) - scales
    assert np.abs(error).max() < 4.5 / (2 * n) ** 0.5


def test_noise_and_spread_are_chosen_for_the_bytes(rng):
    """Of a channel that speaks in one place of a hundred, the posterior elsewhere the prior.

    Fitted to its scales alone the mean's prior would be all but a point, and each place that
    speaks an escape; the two that are chosen cost less than that, and less than no spread.
    """
    n = 40_000
    prior = Gaussian(np.zeros((n, 1), np.float32), np.zeros((n, 1), np.float32))
    mu = np.where(rng.random((n, 1)) < 0.01, 3.0, 0.0).astype(np.float32)
    posterior = Gaussian(mu, np.full((n, 1), -0.001, np.float32))

    def written(posterior):
        writer = Writer()
        LayeredCoder({}).write(0, posterior, prior, writer)
        return 8 * len(writer.finish())

    chosen = written(posterior)
    alone = nearest_prior_scaled(posterior, prior)
    assert chosen <= written(alone)
    assert chosen <= written(alone._replace(log_spread=spread_of(alone, prior))) + 100
    ideal = make_channel("layered")(posterior, prior, jax.random.key(0)).bits
    assert chosen < float(ideal.sum()) + 4 * float(ideal.std()) * n**0.5 + 100


def test_a_prior_that_is_no_gaussian_names_the_alternative():
    prior = Mixture(*(jnp.zeros((3, 1)) for _ in range(3)), jnp.zeros(3))
    posterior = Gaussian(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"not Mixture: .*coder 'dithered'"):
        LayeredCoder({}).write(0, posterior, prior, Writer())
