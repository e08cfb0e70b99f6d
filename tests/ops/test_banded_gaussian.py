import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from rdbound.channels import GaussianChannel
from rdbound.ops.banded_gaussian import CoupledGaussian, couple, coupled_with
from rdbound.ops.distributions import Gaussian, Mixture


def _example(shape, seed=0):
    rng = np.random.default_rng(seed)
    count = len(coupled_with(len(shape)))
    mu, log_sigma = rng.normal(size=shape), 0.3 * rng.normal(size=shape) - 0.5
    coupling = 0.4 * rng.normal(size=(count, *shape))
    posterior = CoupledGaussian(*(jnp.asarray(a, jnp.float32) for a in (mu, log_sigma, coupling)))
    prior = Gaussian(
        jnp.asarray(rng.normal(size=shape), jnp.float32),
        jnp.asarray(0.3 * rng.normal(size=shape), jnp.float32),
    )
    return posterior, prior


def _factor(posterior):
    """L, one element at a time."""
    shape = posterior.mu.shape
    factor = np.zeros((*shape, *shape))
    for place in np.ndindex(*shape):
        sigma = float(np.exp(posterior.log_sigma[place]))
        factor[place + place] = sigma
        for k, offset in enumerate(coupled_with(len(shape))):
            before = tuple(i - o for i, o in zip(place, offset, strict=True))
            if min(before) >= 0:
                factor[place + before] = sigma * float(posterior.coupling[(k, *place)])
    size = int(np.prod(shape))
    return factor.reshape(size, size)


@pytest.mark.parametrize("shape", [(4,), (6,), (2, 3, 5)])
def test_the_rate_is_the_divergence_of_full_gaussians(shape):
    posterior, prior = _example(shape)
    factor = _factor(posterior)
    covariance, size = factor @ factor.T, factor.shape[0]
    inverse = np.exp(-2.0 * np.asarray(prior.log_sigma, np.float64)).ravel()
    shift = np.asarray(posterior.mu - prior.mu, np.float64).ravel()
    nats = 0.5 * (
        inverse @ np.diag(covariance)
        + inverse @ shift**2
        - size
        - np.linalg.slogdet(covariance)[1]
        - np.log(inverse).sum()
    )
    bits = posterior.bits_against(prior)
    assert bits.shape == shape
    assert float(bits.sum()) == pytest.approx(nats / np.log(2.0), rel=1e-5)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 5)])
def test_a_draw_knows_its_density(shape):
    posterior, _ = _example(shape, 1)
    factor = _factor(posterior)
    sample, log_q = posterior.draw(jax.random.key(3))
    expected = multivariate_normal(np.ravel(posterior.mu), factor @ factor.T)
    assert float(log_q.sum()) == pytest.approx(expected.logpdf(np.ravel(sample)), abs=1e-4)


def test_draws_have_the_covariance_of_the_factor():
    posterior, _ = _example((2, 2, 3), 2)
    factor, count = _factor(posterior), 40_000
    keys = jax.random.split(jax.random.key(0), count)
    samples = np.asarray(jax.vmap(lambda k: posterior.draw(k)[0])(keys), np.float64)
    centred = samples.reshape(count, -1) - np.ravel(posterior.mu)
    true = factor @ factor.T
    variance = np.outer(np.diag(true), np.diag(true)) + true**2
    assert np.all(np.abs(centred.T @ centred / count - true) < 5.0 * np.sqrt(variance / count))


def test_uncoupled_it_is_the_factorized_posterior_and_the_channel_says_the_same():
    posterior, prior = _example((2, 3, 4), 4)
    plain, key = Gaussian(posterior.mu, posterior.log_sigma), jax.random.key(7)
    one, other = (GaussianChannel()(p, prior, key) for p in (plain, couple(plain)))
    np.testing.assert_array_equal(one.sample, other.sample)
    np.testing.assert_array_equal(one.bits, other.bits)
    coupled = GaussianChannel()(posterior, prior, key)
    np.testing.assert_array_equal(coupled.bits, posterior.bits_against(prior))
    np.testing.assert_array_equal(coupled.sample, posterior.draw(key)[0])


def test_what_cannot_be_coupled_is_refused():
    mixture = Mixture(*(jnp.zeros((3, 2)),) * 3, jnp.zeros(3))
    with pytest.raises(ValueError, match="Gaussian posteriors, not Mixture"):
        couple(mixture)
    with pytest.raises(ValueError, match="not of 2 axes"):
        couple(Gaussian(jnp.zeros((2, 3)), jnp.zeros((2, 3))))
