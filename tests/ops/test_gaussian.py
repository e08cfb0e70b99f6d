import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from rdbound.ops import gaussian
from rdbound.ops.distributions import FullGaussian, Gaussian

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


def _drawn_scale(log_sigma: float) -> float:
    """Of two draws with one key, at this log-scale and at 0."""
    far, near = (Gaussian(jnp.zeros(1), jnp.array([float(x)])) for x in (log_sigma, 0.0))
    key = jax.random.key(0)
    return float(far.draw(key)[0][0]) / float(near.draw(key)[0][0])


@pytest.mark.parametrize(
    ("log_sigma", "log_sigma_hat"),
    [(-89, -89), (-500, -500), (-25, 0), (0, -95), (95, -95), (95, 0)],
)
@pytest.mark.parametrize("away", [0.0, 1.0])
def test_the_divergence_is_that_of_the_scales_drawn_from(log_sigma, log_sigma_hat, away):
    """Outside of e^±20 too: in float64, of the scale that a draw has."""
    sigma, sigma_hat = _drawn_scale(log_sigma), _drawn_scale(log_sigma_hat)
    expected = np.log(sigma_hat / sigma) + (sigma**2 + away**2) / (2 * sigma_hat**2) - 0.5
    q, p = (
        Gaussian(jnp.array([mu]), jnp.array([float(s)]))
        for mu, s in ((away, log_sigma), (0.0, log_sigma_hat))
    )
    found = np.asarray(p.kl_bits(q))
    np.testing.assert_allclose(found, expected / np.log(2), rtol=2e-5, atol=1e-5)
    gradient = jax.grad(lambda q, p: p.kl_bits(q).sum(), (0, 1))(q, p)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_a_scale_beyond_the_range_finds_its_way_back():
    """−25 is e^−20; the gradient of what wants a wider scale passes, that of a narrower one not."""
    assert float(gaussian.bounded(-25.0)) == -20.0
    assert float(gaussian.bounded(25.0)) == 20.0
    assert float(gaussian.bounded(3.5)) == 3.5
    slope = jax.grad(lambda x, sign: sign * gaussian.bounded(x))
    for x, sign, expected in (
        (-25.0, -1.0, -1.0),
        (-25.0, 1.0, 0.0),
        (25.0, 1.0, 1.0),
        (25.0, -1.0, 0.0),
        (3.0, -1.0, -1.0),
    ):
        assert float(slope(x, sign)) == expected


@pytest.mark.parametrize("log_sigma", [-30.0, -1.0, 30.0])
def test_a_draw_is_charged_for_its_own_density(log_sigma):
    mu = jnp.full((50,), 1.0 if log_sigma > -10 else 0.0)
    q = Gaussian(mu, jnp.full((50,), log_sigma))
    sample, log_q = q.draw(jax.random.key(3))
    np.testing.assert_allclose(log_q, q.log_density(sample), rtol=1e-5, atol=1e-5)
    full = FullGaussian(mu, q.log_sigma, jnp.zeros((50, 50)))
    for found, expected in zip(full.draw(jax.random.key(3)), (sample, log_q), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.11, 0.5, 1.0, 30.0])
def test_bin_masses_sum_to_one(sigma):
    r = jnp.arange(-400.0, 401.0) + 0.3
    mass = jnp.exp(gaussian.log_bin_probability(r, jnp.log(sigma)))
    assert float(mass.sum()) == pytest.approx(1.0, abs=2e-5)


@pytest.mark.parametrize("sigma", [31.0, 33.0, 3e3, 3e6, 1e8])
def test_masses_of_wide_bins_sum_to_one(sigma):
    """The integral over the place of the bin, by the trapezoid rule: exact for what is smooth."""
    r = np.linspace(-7 * sigma, 7 * sigma, 2001)
    mass = np.exp(
        np.float64(gaussian.log_bin_probability(jnp.asarray(r, jnp.float32), jnp.log(sigma)))
    )
    assert mass.sum() * (r[1] - r[0]) == pytest.approx(1.0, abs=5e-6)


@pytest.mark.parametrize("sigma", [0.11, 1.0, 10.0, 31.0, 33.0, 1000.0])
def test_bin_mass_is_the_integral_also_in_the_tails(sigma):
    for r in (0.0, 0.4, 1.0, 5.0 * sigma, 20.0 * sigma):
        low, high = (abs(r) - 0.5) / sigma, (abs(r) + 0.5) / sigma
        log_low, log_high = stats.norm.logsf(low), stats.norm.logsf(high)
        expected = log_low + np.log1p(-np.exp(log_high - log_low))
        found = float(gaussian.log_bin_probability(r, jnp.log(sigma)))
        assert found == pytest.approx(expected, rel=1e-6, abs=3e-6)


def test_gradients_stay_finite_far_in_the_tails():
    gradient = jax.vmap(jax.grad(gaussian.log_bin_probability, argnums=(0, 1)))
    r = jnp.array([0.0, 1e-6, 50.0, 1e3, 1e4])
    for log_sigma in (-1e4, -100.0, -2.2, 0.0, 3.46, 3.47, 9.0, 25.0, 1e4):
        for g in gradient(r, jnp.full(r.shape, log_sigma)):
            assert jnp.isfinite(g).all()
