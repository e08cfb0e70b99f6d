import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.coding.codecs.compiled_model import compiled
from rdbound.models import make_model
from rdbound.models.base import level_model
from rdbound.models.batched import batched
from rdbound.objective.levels import walk
from tests.toy import Successive, Toy

COUNT, N, LATENT, LMBDA = 7, 5, 3, jnp.float32(2.5)


@pytest.fixture(scope="module")
def model():
    """Of variable rate, its prior of different channels."""
    made = make_model("mlp", "codec", (1.0, 10.0), dimension=N, latent=LATENT, hidden=[6])
    made.top.mu[...] = jnp.array([0.5, -1.0, 2.0])
    made.top.log_sigma[...] = jnp.array([0.1, 1.0, -0.5])
    return made


@pytest.fixture
def vectors(rng):
    return jnp.asarray(2.0 * rng.standard_normal((COUNT, N)), jnp.float32)


@pytest.fixture
def latents(rng):
    return jnp.asarray(rng.standard_normal((COUNT, LATENT)), jnp.float32)


def _stacked(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _close(one, other, atol=1e-5):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=atol)


def test_a_blocks_evidence_is_that_of_each_vector(model, vectors):
    found = batched(level_model(model), COUNT).infer(vectors, LMBDA)
    assert found[0].mu.shape == (COUNT, LATENT)
    _close(found, _stacked([model.infer(x, LMBDA) for x in vectors]))


def test_a_blocks_prior_is_that_of_each_vector(model):
    of = batched(level_model(model), COUNT)
    prior = of.prior(0, of.start(LMBDA))
    assert prior.mu.shape == (COUNT, LATENT, 3)
    assert prior.centre.shape == (COUNT, LATENT)
    _close(prior, _stacked([model.prior(0, (), LMBDA)] * COUNT))


def test_a_block_absorbs_and_synthesizes_as_each_vector_does(model, latents):
    of, one = batched(level_model(model), COUNT), level_model(model)
    state = of.absorb(0, of.start(LMBDA), latents)
    _close(state, _stacked([one.absorb(0, one.start(LMBDA), z) for z in latents]))
    x_hat = of.synthesize(state)
    assert x_hat.shape == (COUNT, N)
    _close(x_hat, np.stack([model.synthesize((z,), LMBDA) for z in latents]))


def test_a_posterior_that_depends_on_the_state_sees_that_of_its_own_vector(rng):
    model = Successive()
    x = jnp.asarray(2.0 * rng.standard_normal((COUNT, 1)), jnp.float32)

    def run(of, x):
        variational = of.infer(x, 2.0)

        def step(level, prior, state):
            q = of.posterior(level, state, variational[level])
            return q.mu, (prior, q)

        walked = walk(of, 2.0, 2, step)
        return of.synthesize(walked.state), walked.kept

    _close(run(batched(model, COUNT), x), _stacked([run(model, one) for one in x]))


def _through(of, x, lmbda):
    """Everything the six sides say when every posterior's mean is conveyed."""
    variational, said = of.infer(x, lmbda), []
    said.append(of.start(lmbda))

    def step(level, prior, state):
        q = of.posterior(level, state, variational[level])
        said.append(state)
        return q.mu, (prior, q)

    walked = walk(of, lmbda, len(variational), step)
    return variational, said, walked, of.synthesize(walked.state)


def test_compiled_sides_are_the_eager_ones(rng):
    model = Toy()
    x = jnp.asarray(rng.random((16, 24, 3)), jnp.float32)
    with jax.default_matmul_precision("highest"):
        expected = _through(level_model(model), x, jnp.float32(0.02))
    of = compiled(model)
    _close(_through(of, x, jnp.float32(0.02)), expected, atol=2e-5)
    state = of.absorb(0, of.start(LMBDA), expected[0][0].mu)
    prior = of.prior(1, state)
    posterior = of.posterior(1, state, expected[0][1])
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves((prior, posterior)))


def test_compiled_sides_of_six_sided_models_and_of_blocks_are_the_eager_ones(model, vectors, rng):
    x = jnp.asarray(rng.standard_normal(1), jnp.float32)
    _close(_through(compiled(Successive()), x, 2.0), _through(Successive(), x, 2.0))
    _close(
        _through(compiled(model, COUNT), vectors, LMBDA),
        _through(batched(level_model(model), COUNT), vectors, LMBDA),
    )


def test_compiled_sides_have_the_weights_of_their_making(rng):
    model = Toy()
    of, x = compiled(model), jnp.asarray(rng.random((8, 8, 3)), jnp.float32)
    before = of.infer(x, LMBDA)[1].mu
    model.encode.kernel[...] = 2.0 * model.encode.kernel[...]
    np.testing.assert_array_equal(of.infer(x, LMBDA)[1].mu, before)
    np.testing.assert_allclose(compiled(model).infer(x, LMBDA)[1].mu, 2.0 * before, rtol=1e-4)
