import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rdbound.ops.distributions import Gaussian
from rdbound.ops.layered_quantizer import expected_bits, layered_fit
from rdbound.ops.tied_scale import NOISES, PriorScaled


@pytest.mark.parametrize(("x", "q"), [(0.0, 0.1), (0.5, 0.3), (1.0, 1.0), (2.5, 1.0), (40.0, 30.0)])
def test_expected_bits_are_those_of_a_simulation(x, q, rng):
    n = 400_000
    width = 2 * stats.chi.rvs(3, size=n, random_state=rng)
    at = x + width * rng.uniform(-0.5, 0.5, n)
    mass = stats.norm.cdf((at + width / 2) / q) - stats.norm.cdf((at - width / 2) / q)
    bits = np.minimum(-np.log2(np.maximum(mass, 1e-300)), 40.0)
    found = float(expected_bits(jnp.float32(x), jnp.float32(np.log(q))))
    assert abs(found - bits.mean()) < 4 * bits.std() / n**0.5 + 0.02 * bits.mean()


def test_beyond_the_table_its_edge_counts():
    far = expected_bits(jnp.float32([1e9, 1.0, 0.0]), jnp.float32([0.0, -30.0, -30.0]))
    np.testing.assert_allclose(far[0], 40.0, rtol=1e-3)
    assert far[1] > 5
    assert far[2] < 1e-3


def _simulated_cost(posterior, prior, noise, spread, rng):
    """Bits of the indexes and of distortion by definition, in float64, a number a channel."""
    of_prior = np.exp(2 * np.asarray(prior.log_sigma, float))
    s = (1 / of_prior + np.exp(-2 * noise)) ** -0.5
    q = np.sqrt(of_prior - s**2 + np.exp(2 * spread) * of_prior) / s
    total = 0.0
    for _ in range(8):
        width = 2 * stats.chi.rvs(3, size=posterior.mu.shape, random_state=rng)
        at = np.abs(posterior.mu / s + width * rng.uniform(-0.5, 0.5, posterior.mu.shape))
        mass = stats.norm.cdf((width / 2 - at) / q) - stats.norm.cdf((-width / 2 - at) / q)
        total += np.minimum(-np.log2(np.maximum(mass, 1e-300)), 40.0).sum(0) / 8
    curvature = np.exp(-2.0 * np.asarray(posterior.log_sigma, float)) - 1 / of_prior
    return total + (curvature * s**2 / 2 / np.log(2)).sum(0)


def test_the_fit_is_within_a_hundredth_of_the_best_by_simulation(rng):
    """Channels that say much, little, and something in few places."""
    n = 1000
    prior = Gaussian(np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32))
    log_sigma = np.array([-2.0, -0.1, -0.02], np.float32)
    speaks = np.array([1.0, 1.0, 0.05]) > rng.random((n, 3))
    mu = speaks * rng.standard_normal((n, 3)) * np.array([0.99, 0.42, 2.0])
    posterior = Gaussian(mu.astype(np.float32), np.broadcast_to(log_sigma, (n, 3)))
    found = layered_fit(posterior, prior)
    own = _simulated_cost(
        posterior,
        prior,
        np.asarray(found.log_noise, float),
        np.asarray(found.log_spread, float),
        rng,
    )
    best = np.min(
        [
            _simulated_cost(posterior, prior, noise, spread, rng)
            for noise in NOISES[4:52:4].astype(float)
            for spread in (-6.0, -2.0, -1.0)
        ],
        axis=0,
    )
    assert (own < 1.01 * best + 10).all(), (own, best)


def test_a_channel_that_is_its_prior_is_silent():
    prior = Gaussian(jnp.zeros((8, 8, 2)), jnp.array([0.0, -3.0]))
    found = layered_fit(Gaussian(prior.mu, jnp.broadcast_to(prior.log_sigma, (8, 8, 2))), prior)
    assert (found.log_noise > 6).all()
    assert (found.log_spread < -5).all()


def test_the_means_stay_and_nothing_else_has_a_gradient(key):
    prior = Gaussian(jnp.zeros((20, 3)), jnp.zeros((20, 3)))

    def moved(log_sigma):
        fit = layered_fit(Gaussian(jnp.ones((20, 3)), log_sigma), prior)
        return fit.log_noise.sum() + fit.log_spread.sum()

    assert not jax.grad(moved)(jnp.full((20, 3), -1.0)).any()
    mu = jax.random.normal(key, (20, 3))
    fit = layered_fit(Gaussian(mu, jnp.full((20, 3), -1.0)), prior)
    assert isinstance(fit, PriorScaled)
    np.testing.assert_array_equal(fit.mu, mu)


def test_every_second_place_of_a_large_latent_counts():
    """Were only even places seen, the channel would be silent."""
    shape = (64, 64, 1)
    odd = jnp.arange(64) % 2 == 1
    log_sigma = jnp.where(odd[None, :, None], -3.0, -1e-3) * jnp.ones(shape)
    prior = Gaussian(jnp.zeros(shape), jnp.zeros(shape))
    mu = jnp.where(odd[None, :, None], 1.0, 0.0) * jnp.ones(shape)
    assert layered_fit(Gaussian(mu, log_sigma), prior).log_noise[0] < -1
