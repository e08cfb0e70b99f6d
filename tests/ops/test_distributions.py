import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from rdbound.ops.distributions import Gaussian, Mixture, bin_probability

PLACES = np.array([-7.0, -1.3, 0.0, 0.4, 2.0, 9.0])


def _mass(density, y):
    """Of the unit bin around y, by quadrature."""
    return integrate.quad(density, y - 0.5, y + 0.5, epsabs=0, epsrel=1e-10)[0]


@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (0.7, 0.3), (-1.2, 4.0)])
def test_the_bits_of_a_gaussians_bin_are_those_of_its_integral(mu, sigma):
    # The narrow one far from its mean has bins that quadrature in float64 cannot see.
    y = mu + (PLACES if sigma >= 1 else PLACES / 8)
    exact = np.array([_mass(stats.norm(mu, sigma).pdf, place) for place in y])
    shape = y.shape
    prior = Gaussian(jnp.full(shape, mu), jnp.full(shape, np.log(sigma)))
    found = prior.bin_bits(jnp.asarray(y, jnp.float32))
    np.testing.assert_allclose(found, -np.log2(exact), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(bin_probability(y, mu, sigma), exact, rtol=1e-8)


def test_the_bits_of_a_mixtures_bin_are_those_of_its_integral():
    weight, mu, sigma = np.array([0.2, 0.8]), np.array([-1.0, 0.5]), np.array([2.0, 1.0])

    def density(x):
        return float(weight @ stats.norm(mu, sigma).pdf(x))

    exact = np.array([_mass(density, place) for place in PLACES])
    wide = lambda a: jnp.tile(jnp.asarray(a, jnp.float32), (len(PLACES), 1))  # noqa: E731
    prior = Mixture(wide(np.log(weight)), wide(mu), wide(np.log(sigma)), jnp.zeros(len(PLACES)))
    found = prior.bin_bits(jnp.asarray(PLACES, jnp.float32))
    np.testing.assert_allclose(found, -np.log2(exact), rtol=1e-4, atol=1e-4)
