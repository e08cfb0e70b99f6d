import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.ops.distributions import Gaussian
from rdbound.ops.tied_scale import NOISES, SPREADS, PriorScaled, nearest_prior_scaled, spread_of


def test_the_scale_is_that_of_reverse_water_filling():
    """x ~ N(0, v), D: what is conveyed has the variance v − D given nothing, D(1 − D/v) given x."""
    variance, D = np.array([0.5, 1.0, 9.0], np.float32), np.float32(0.25)
    prior = Gaussian(np.zeros(3, np.float32), 0.5 * np.log(variance - D))
    noise = np.full(3, 0.5 * np.log(D), np.float32)
    scale = np.exp(PriorScaled(prior.mu, noise).given(prior).log_sigma)
    np.testing.assert_allclose(scale**2, D * (1 - D / variance), rtol=1e-5)


def test_the_scale_is_never_above_the_priors_and_meets_it_where_nothing_is_told():
    prior = Gaussian(jnp.zeros(4), jnp.array([-3.0, -1.0, 0.0, 2.0]))
    for log_noise in (-2.0, 0.0, 4.0):
        scale = PriorScaled(jnp.zeros(4), jnp.full(4, log_noise)).given(prior).log_sigma
        assert (scale < prior.log_sigma).all()
        assert (scale < log_noise).all()
    far = PriorScaled(jnp.zeros(4), jnp.full(4, 12.0)).given(prior).log_sigma
    np.testing.assert_allclose(far, prior.log_sigma, atol=1e-6)


def test_given_spreads_a_prior_of_channels_over_places():
    prior = Gaussian(jnp.zeros(3), jnp.array([0.0, 1.0, 2.0]))
    found = PriorScaled(jnp.zeros((4, 5, 3)), jnp.zeros(3)).given(prior)
    assert found.log_sigma.shape == (4, 5, 3)
    expected = -0.5 * np.log(np.exp([-0.0, -2.0, -4.0]) + 1.0)
    np.testing.assert_allclose(found.log_sigma[2, 3], expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(40, 3), (6, 7, 3)])
def test_the_nearest_noise_is_the_best_of_all_by_brute_force(shape, key):
    keys = jax.random.split(key, 3)
    prior = Gaussian(jnp.zeros(3), jax.random.normal(keys[0], (3,)))
    log_sigma = -1.0 + 0.5 * jax.random.normal(keys[1], shape)
    mu = jax.random.normal(keys[2], shape)
    found = nearest_prior_scaled(Gaussian(mu, log_sigma), prior)
    np.testing.assert_array_equal(found.mu, mu)
    q = np.asarray(log_sigma, np.float64).reshape(-1, 3)
    for c in range(3):
        costs = []
        for noise in NOISES:
            s = -0.5 * np.log(np.exp(-2 * float(prior.log_sigma[c])) + np.exp(-2.0 * noise))
            # KL(N(0, s²) ‖ N(0, σ²)), summed over places.
            costs.append(np.sum(q[:, c] - s + np.exp(2 * (s - q[:, c])) / 2 - 0.5))
        assert found.log_noise[c] == NOISES[np.argmin(costs)]


def test_a_posterior_of_the_family_is_found_again():
    prior = Gaussian(jnp.zeros((9, 4)), jnp.linspace(-2.0, 2.0, 36).reshape(9, 4))
    noise = jnp.array([-2.0, -0.5, 0.25, 1.5])
    posterior = PriorScaled(jnp.zeros((9, 4)), noise).given(prior)
    np.testing.assert_array_equal(nearest_prior_scaled(posterior, prior).log_noise, noise)


def test_the_scale_of_the_mean_is_what_the_priors_variance_leaves():
    """σ_m² = σ̂² − s² + ρ²·σ̂², by the difference that float64 allows."""
    prior = Gaussian(jnp.zeros((2, 3)), jnp.array([[-2.0, 0.0, 1.0], [3.0, -1.0, 0.5]]))
    noise, spread = np.array([-1.0, 0.5, 2.0]), np.array([-6.0, -1.0, 0.25])
    posterior = PriorScaled(jnp.zeros((2, 3)), jnp.float32(noise), jnp.float32(spread))
    of_prior = np.exp(2 * np.asarray(prior.log_sigma, float))
    s = 1 / (1 / of_prior + np.exp(-2 * noise))
    expected = 0.5 * np.log((of_prior - s + np.exp(2 * spread) * of_prior) / s)
    np.testing.assert_allclose(posterior.log_ratio(prior), expected, atol=1e-4)


def test_the_spread_is_that_of_the_means_second_moment(rng):
    n = 20_000
    prior = Gaussian(np.full((n, 2), 0.5, np.float32), np.full((n, 2), 1.0, np.float32))
    s = (np.exp(-2.0) + np.exp(1.0)) ** -0.5  # of the noise e^−½
    usual = np.sqrt(np.exp(2.0) - s**2)
    mu = 0.5 + rng.standard_normal((n, 2)) * np.array([2.0, 1.0]) * usual
    found = spread_of(PriorScaled(mu.astype(np.float32), np.full(2, -0.5, np.float32)), prior)
    # Four times the variance: ρ² = 3·(1 − s²/σ̂²). The other has what its prior says.
    rho = 0.5 * np.log(3 * (1 - s**2 * np.exp(-2.0)))
    assert found[0] == SPREADS[np.abs(SPREADS - rho).argmin()]
    assert found[1] < -1.5
