import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from rdbound.ops import gaussian

CASES = [(0.0, 1.0, 0.0, 1.0), (1.5, 0.3, -0.5, 2.0), (-4.0, 2.0, 1.0, 0.7), (0.2, 0.01, 0.0, 1.0)]


@pytest.mark.parametrize(("mu", "sigma", "mu_hat", "sigma_hat"), CASES)
def test_kl_is_the_integral(mu, sigma, mu_hat, sigma_hat):
    q, p = stats.norm(mu, sigma), stats.norm(mu_hat, sigma_hat)
    expected, error = integrate.quad(
        lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)) / np.log(2),
        mu - 12 * sigma,
        mu + 12 * sigma,
        points=[mu],
    )
    found = gaussian.kl_bits(mu, jnp.log(sigma), mu_hat, jnp.log(sigma_hat))
    assert float(found) == pytest.approx(expected, rel=2e-6, abs=2e-6 + error)


def test_kl_of_equal_gaussians_is_zero():
    assert float(gaussian.kl_bits(3.0, -2.0, 3.0, -2.0)) == 0.0


@pytest.mark.parametrize("sigma", [0.11, 0.5, 1.0, 30.0])
def test_box_masses_sum_to_one(sigma):
    r = jnp.arange(-400.0, 401.0) + 0.3
    mass = jnp.exp(gaussian.box_log_mass(r, jnp.log(sigma)))
    assert float(mass.sum()) == pytest.approx(1.0, abs=2e-5)


@pytest.mark.parametrize("sigma", [0.11, 1.0, 10.0])
def test_box_mass_is_the_integral_also_in_the_tails(sigma):
    for r in (0.0, 0.4, 1.0, 5.0 * sigma, 20.0 * sigma):
        low, high = (abs(r) - 0.5) / sigma, (abs(r) + 0.5) / sigma
        log_low, log_high = stats.norm.logsf(low), stats.norm.logsf(high)
        expected = log_low + np.log1p(-np.exp(log_high - log_low))
        found = float(gaussian.box_log_mass(r, jnp.log(sigma)))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_gradients_stay_finite_far_in_the_tails():
    gradient = jax.vmap(jax.grad(gaussian.box_log_mass, argnums=(0, 1)))
    r = jnp.array([0.0, 1e-6, 50.0, 1e3, 1e4])
    for log_sigma in (-2.2, 0.0, 9.0):
        for g in gradient(r, jnp.full(r.shape, log_sigma)):
            assert jnp.isfinite(g).all()
