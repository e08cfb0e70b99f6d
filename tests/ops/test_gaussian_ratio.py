"""Steps of a Gaussian, against quadrature and closed forms of Gaussians."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rdbound.ops import gaussian
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian_ratio import (
    RATIOS,
    Tilt,
    divergence_of,
    fitted_ratio,
    partial_divergence,
    variances,
)

CASES = [(0.7, 0.5), (-1.5, 0.2), (0.0, 0.9), (0.3, 1.2), (2.0, 0.05)]
ACCURATE = (0.5, 1e-5)
"""(ν, ρ): the mean and the scale of the posterior in units of the prior."""


def _tilt(nu, rho):
    """That of N(ν, ρ²), by its formula and apart from the code's own."""
    return Tilt(jnp.float32(1 / rho**2 - 1), jnp.float32(nu / rho**2))


def _divergence(mean, variance, other):
    """Of N(mean, variance) from N(0, other), nats."""
    return 0.5 * (variance / other + mean**2 / other - 1 - np.log(variance / other))


@pytest.mark.parametrize(("nu", "rho"), CASES)
def test_the_tilt_is_that_of_posterior_over_prior(nu, rho):
    prior = Gaussian(jnp.float32(3.0), jnp.float32(np.log(4.0)))
    posterior = Gaussian(jnp.float32(3.0 + 4.0 * nu), jnp.float32(np.log(4.0 * rho)))
    for found, expected in zip(Tilt.between(posterior, prior), _tilt(nu, rho), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    bits = gaussian.kl_bits(*posterior, *prior)
    np.testing.assert_allclose(
        divergence_of(Tilt.between(posterior, prior)), bits * gaussian.LN2, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(("nu", "rho"), CASES)
def test_what_steps_tell_is_the_divergence_of_their_sum(nu, rho, share):
    expected = _divergence(nu * share, share * (1 - share * (1 - rho**2)), share)
    np.testing.assert_allclose(
        partial_divergence(_tilt(nu, rho), jnp.float32(share)), expected, rtol=1e-4, atol=1e-6
    )


def test_an_accurate_posterior_has_its_divergence():
    """Where 1 − ρ² is one in float32."""
    expected = _divergence(ACCURATE[0], ACCURATE[1] ** 2, 1.0)
    np.testing.assert_allclose(divergence_of(_tilt(*ACCURATE)), expected, rtol=1e-5)


@pytest.mark.parametrize(("total", "rest"), [(0.0, 1.0), (0.4, 0.6), (-0.8, 0.1)])
@pytest.mark.parametrize(("nu", "rho"), CASES)
def test_the_ratio_of_the_steps_so_far_is_an_average_of_densities(nu, rho, total, rest):
    z = np.linspace(-14, 14, 400_001)
    ratio = stats.norm.pdf(z, nu, rho) / stats.norm.pdf(z)
    mean = np.sum(ratio * stats.norm.pdf(z, total, rest**0.5)) * (z[1] - z[0])
    found = _tilt(nu, rho).log_ratio(jnp.float32(total), jnp.float32(rest))
    np.testing.assert_allclose(found, np.log(mean), rtol=1e-4, atol=3e-5)


@pytest.mark.parametrize(("nu", "rho"), CASES)
def test_with_nothing_to_come_it_is_the_ratio_of_the_densities(nu, rho):
    z = np.array([-1.0, 0.2, 1.7])
    expected = stats.norm.logpdf(z, nu, rho) - stats.norm.logpdf(z)
    found = _tilt(nu, rho).log_ratio(jnp.asarray(z, jnp.float32), jnp.float32(0.0))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("nu", "rho"), CASES)
def test_a_step_adds_a_linear_and_a_square_term(nu, rho):
    tilt, total, rest, step = _tilt(nu, rho), jnp.float32(0.4), jnp.float32(0.3), 0.7
    slope, curve = tilt.linear(total, rest)
    added = tilt.log_ratio(total + jnp.float32(step), rest) - tilt.log_ratio(total, rest)
    np.testing.assert_allclose(added, slope * step - 0.5 * curve * step**2, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("rho", [0.9, 0.3, 0.01])
def test_steps_share_evenly_what_a_matched_posterior_tells(rho, steps):
    V = variances(2 * np.log(rho), steps)
    assert V[0] == 0.0
    assert V[-1] == 1.0
    narrower = 1 - rho**2
    shares = [_divergence(narrower**0.5 * v, v * (1 - v * narrower), v) for v in V[1:]]
    whole = -np.log(rho)
    np.testing.assert_allclose(shares, whole * np.arange(1, steps + 1) / steps, rtol=1e-9)


@pytest.mark.parametrize("number", [3, 30, 60])
def test_the_ratio_of_alike_latents_is_their_own(number):
    rho = np.exp(0.5 * RATIOS[number])
    nu = np.full(5, np.sqrt(1 - rho**2), np.float32)
    tilt = Tilt(jnp.full(5, np.float32(1 / rho**2 - 1)), jnp.asarray(nu / np.float32(rho**2)))
    assert abs(fitted_ratio(tilt) - number) <= 1
