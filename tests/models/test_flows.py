import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import multivariate_normal

from rdbound.channels import make_channel
from rdbound.models.flows import AutoregressiveGaussian, CouplingFlow, MaskedPerceptron
from rdbound.ops.distributions import FullGaussian, Gaussian, JointMixture


def _stirred(module, key, scale=0.4):
    """The module with all its parameters moved at random."""
    graphdef, params = nnx.split(module)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    moved = [a + scale * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
    return nnx.merge(graphdef, jax.tree.unflatten(tree, moved))


def test_a_coupling_flow_is_normalized(key):
    flow = _stirred(CouplingFlow(2, layers=4, hidden=8, rngs=nnx.Rngs(0)), key, 0.2)
    side = np.linspace(-12, 12, 301)
    grid = jnp.asarray(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2), jnp.float32)
    mass = jnp.exp(jax.vmap(flow.log_density)(grid)).sum() * (side[1] - side[0]) ** 2
    assert mass == pytest.approx(1.0, abs=2e-3)


def test_an_untrained_flow_is_the_standard_normal(key):
    flow = CouplingFlow(3, rngs=nnx.Rngs(0))
    z = jax.random.normal(key, (3,))
    expected = multivariate_normal(np.zeros(3)).logpdf(np.asarray(z))
    assert flow.log_density(z) == pytest.approx(expected, abs=1e-5)


def test_a_masked_perceptron_sees_only_what_is_before(key):
    network = _stirred(MaskedPerceptron(4, 2, 16, rngs=nnx.Rngs(0)), key)
    jacobian = jax.jacobian(lambda x: network(x, jnp.ones(2)))(jnp.ones(4))
    for half in (jacobian[:4], jacobian[4:]):
        np.testing.assert_array_equal(np.triu(half), 0.0)
        assert (np.abs(half[np.tril_indices(4, -1)]) > 0).all()


def test_the_density_of_an_autoregressive_draw_is_that_of_its_jacobian(key):
    network = _stirred(MaskedPerceptron(3, 2, 16, rngs=nnx.Rngs(0)), key)
    base = Gaussian(jnp.array([0.5, -1.0, 2.0]), jnp.array([0.1, -0.3, 0.2]))
    context = jnp.array([0.3, -0.7])

    def transform(z):
        """The flow of a given base sample."""
        standardized = (z - base.mu) * jnp.exp(-base.log_sigma)
        shift, raw = jnp.split(network(standardized, context), 2)
        return base.mu + (z - base.mu) * jnp.exp(3 * jnp.tanh(raw / 3)) + shift

    sample, log_q = AutoregressiveGaussian(base, context, network).draw(key)
    z, log_base = base.draw(key)
    np.testing.assert_allclose(sample, transform(z), rtol=1e-5)
    _, log_det = jnp.linalg.slogdet(jax.jacobian(transform)(z))
    assert log_q.sum() == pytest.approx(float(log_base.sum() - log_det), abs=1e-4)


def test_a_full_gaussian_draws_from_its_covariance(key):
    lower = jnp.array([[9.0, 9.0], [0.7, 9.0]])  # only what is below the diagonal counts
    q = FullGaussian(jnp.array([1.0, -1.0]), jnp.log(jnp.array([0.5, 0.3])), lower)
    root = np.array([[0.5, 0.0], [0.7, 0.3]])
    samples, log_q = jax.vmap(q.draw)(jax.random.split(key, 50_000))
    covariance = root @ root.T
    np.testing.assert_allclose(np.cov(np.asarray(samples).T), covariance, atol=0.02)
    truth = multivariate_normal([1.0, -1.0], covariance).logpdf(np.asarray(samples[:5]))
    np.testing.assert_allclose(log_q[:5].sum(1), truth, atol=1e-4)


def test_a_joint_mixture_is_the_mixture_of_its_parts(rng):
    mu, sigma = rng.normal(size=(3, 2)), rng.uniform(0.5, 1.5, (3, 2))
    weight = np.array([0.2, 0.3, 0.5])
    mixture = JointMixture(jnp.log(weight), jnp.asarray(mu), jnp.log(sigma))
    z = np.array([0.3, -0.4])
    parts = [multivariate_normal(m, np.diag(s**2)).pdf(z) for m, s in zip(mu, sigma, strict=True)]
    assert mixture.log_density(jnp.asarray(z)) == pytest.approx(np.log(weight @ parts), abs=1e-5)


def test_the_sampled_channel_has_the_mean_of_the_analytic_one(key):
    q = Gaussian(jnp.array([0.5, -1.0]), jnp.array([-0.5, 0.2]))
    p = Gaussian(jnp.array([0.0, 0.3]), jnp.array([0.1, 0.4]))
    keys = jax.random.split(key, 50_000)
    bits = jax.vmap(lambda k: make_channel("sampled")(q, p, k).bits)(keys)
    error = np.asarray(bits).std(0) / np.sqrt(len(bits))
    analytic = make_channel("gaussian")(q, p, key).bits
    assert (np.abs(bits.mean(0) - analytic) < 4 * error).all()


def test_the_sampled_channel_sums_where_a_side_does_not_factorize(key):
    q = Gaussian(jnp.zeros(2), jnp.zeros(2))
    conveyed = make_channel("sampled")(q, CouplingFlow(2, rngs=nnx.Rngs(0)), key)
    assert conveyed.bits.shape == ()
    assert conveyed.bits == pytest.approx(0.0, abs=1e-5)
    with pytest.raises(ValueError, match="log_density"):
        make_channel("sampled")(q, object(), key)
