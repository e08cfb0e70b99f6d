import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.coding import Codec
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.models import make_model
from rdbound.models.net2net import grow
from rdbound.models.res_context import STEPS, gather, scatter
from rdbound.objective.datum import image_datum, whole
from rdbound.objective.objective import eight_bit, objective
from rdbound.ops.distributions import Gaussian

RANGE = (0.0009, 0.0966)


def _with(model, weights):
    graphdef, state = nnx.split(model)
    flat = [
        (path, leaf.replace(jnp.asarray(weights[".".join(map(str, path))])))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graphdef, nnx.from_flat_state(flat))


@pytest.fixture(scope="module")
def pair():
    """A Res-hyper with weights of its own everywhere, and the Res-context that starts from it."""
    hyper = make_model("res-hyper-1", "bound", RANGE)
    rng = np.random.default_rng(0)
    weights = {
        k: v + 0.02 * rng.standard_normal(v.shape).astype(np.float32)
        for k, v in flat_weights(hyper).items()
    }
    context = make_model("res-context-1", "bound", RANGE)
    return _with(hyper, weights), _with(context, grow(context, weights))


@pytest.fixture(scope="module")
def busy(pair):
    """The Res-context with a context network that says something."""
    weights = flat_weights(pair[1])
    rng = np.random.default_rng(1)
    name = "context.moments.kernel"
    weights[name] = 0.05 * rng.standard_normal(weights[name].shape).astype(np.float32)
    return _with(pair[1], weights)


def _image(side=64):
    return jnp.asarray(np.random.default_rng(2).random((side, side, 3)), jnp.float32)


def _inferred(model, x):
    return jax.jit(lambda x: model.infer(x, 0.01))(x)


def _latents(model, x, noise=0.3):
    keys = jax.random.split(jax.random.key(7), 5)
    return [
        q.mu + noise * jax.random.normal(k, q.mu.shape)
        for q, k in zip(_inferred(model, x), keys, strict=True)
    ]


def _priors(model, latents, lmbda=0.01):
    state, priors = model.start(lmbda), []
    for level, latent in enumerate(latents):
        priors.append(model.prior(level, state))
        state = model.absorb(level, state, latent)
    return priors, state


def test_the_four_tensors_are_y_each_entry_once(rng):
    y = jnp.asarray(rng.standard_normal((6, 8, 12)), jnp.float32)
    parts = [gather(y, s) for s in range(4)]
    assert all(part.shape == (6, 8, 3) for part in parts)
    np.testing.assert_array_equal(sum(scatter(p, s) for s, p in enumerate(parts)), y)
    # Quarter g at class p in step s, written out: p = 2·(row parity) + (column parity).
    for s, offset in enumerate((0, 3, 2, 1)):
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            g = (2 * row + column) ^ offset
            np.testing.assert_array_equal(parts[s][row, column], y[row, column, 3 * g : 3 * g + 3])
    assert STEPS == (0, 3, 2, 1)


def test_it_starts_as_the_res_hyper_of_its_size(pair):
    """Same priors, same synthesis, so the same J; only the noise is drawn in other shapes."""
    hyper, context = pair
    x = _image()
    _, y = _inferred(hyper, x)
    parts = _inferred(context, x)
    np.testing.assert_array_equal(sum(scatter(p.mu, s) for s, p in enumerate(parts[1:])), y.mu)
    latents = _latents(context, x)
    priors, state = nnx.jit(_priors)(context, latents)
    whole_y = sum(scatter(part, s) for s, part in enumerate(latents[1:]))
    expected = nnx.jit(lambda m, z: m.prior(1, (z,), 0.01))(hyper, latents[0])
    for s, prior in enumerate(priors[1:]):
        np.testing.assert_allclose(prior.mu, gather(expected.mu, s), atol=1e-5)
        np.testing.assert_allclose(prior.log_sigma, gather(expected.log_sigma, s), atol=1e-5)
    x_hat = nnx.jit(lambda m, z, y: m.synthesize((z, y), 0.01))(hyper, latents[0], whole_y)
    ours = nnx.jit(lambda m, state: m.synthesize(state))(context, state)
    np.testing.assert_allclose(ours, x_hat, atol=1e-5)
    # J through a channel that draws no noise is one number, equal to float tolerance.
    rounding, key = make_channel("rounding"), jax.random.key(0)
    J = nnx.jit(lambda m: objective(m, rounding, whole(x), key, 0.01))
    one, other = J(hyper), J(context)
    assert float(other.J) == pytest.approx(float(one.J), rel=1e-5)
    assert float(sum(other.bits[1:])) == pytest.approx(float(one.bits[1]), rel=1e-5)


def test_what_later_steps_are_told_is_what_samples_differ_by_from_the_proposal(pair):
    """(y − μ) / s where a step has conveyed it, μ of the hyper-synthesis; zero elsewhere."""
    hyper, context = pair
    latents = _latents(context, _image())
    proposed, s = hyper.prior(1, (latents[0],), 0.01).mu, context.scale(0.01)
    state = context.absorb(0, context.start(0.01), latents[0])
    assert not np.any(state.innovation)
    expected = jnp.zeros_like(proposed)
    for step, latent in enumerate(latents[1:]):
        state = context.absorb(1 + step, state, latent)
        expected += scatter((latent - gather(proposed, step)) / s, step)
        np.testing.assert_allclose(state.innovation, expected, atol=1e-5)
    assert float(jnp.abs(proposed / s).max()) > 1e-3, "the proposal is not zero"
    np.testing.assert_allclose(state.innovation * s + proposed, state.known, atol=1e-4)


@pytest.mark.parametrize("step", range(4))
def test_no_prior_depends_on_what_is_conveyed_later(busy, step):
    """The gradient with respect to this step's and later samples is exactly zero."""
    latents = _latents(busy, _image())

    def total(latents):
        prior = _priors(busy, latents)[0][1 + step]
        return jnp.sum(prior.mu) + jnp.sum(prior.log_sigma)

    gradients = jax.grad(total)(latents)
    for later in gradients[1 + step :]:
        assert float(jnp.abs(later).max()) == 0.0
    for before in gradients[: 1 + step]:
        assert float(jnp.abs(before).max()) > 0.0


def test_the_analytic_rate_of_each_step_is_its_monte_carlo_mean(busy):
    """KL given the samples before, against log q − log p of draws of that step, elementwise."""
    x = _image()
    variational = busy.infer(x, 0.01)
    priors, _ = _priors(busy, _latents(busy, x))
    for q, p in zip(variational[1:], priors[1:], strict=True):
        keys = jax.random.split(jax.random.key(3), 4000)

        def ratio(key, q=q, p=p):
            sample, log_q = q.draw(key)
            return jnp.sum(log_q - p.log_density(sample)) / np.log(2)

        draws = jax.vmap(ratio)(keys)
        error = float(draws.std()) / len(keys) ** 0.5
        assert float(jnp.sum(p.kl_bits(q))) == pytest.approx(float(draws.mean()), abs=4 * error)


def test_refinement_differentiates_through_all_four_steps(busy):
    """Variational parameters of step 0 moves the rate of the later steps through their priors."""
    x = _image()
    variational = busy.infer(x, 0.01)

    def rate_of_step_3(mu):
        moved = list(variational)
        moved[1] = Gaussian(mu, variational[1].log_sigma)
        channel = make_channel("gaussian")
        return objective(busy, channel, whole(x), jax.random.key(0), 0.01, tuple(moved)).bits[4]

    assert float(jnp.abs(jax.grad(rate_of_step_3)(variational[1].mu)).max()) > 0


def test_real_bytes_in_four_passes(rng):
    model = make_model("res-context-1", "codec", RANGE)
    weights = flat_weights(model)
    kernel = weights["context.moments.kernel"]
    weights["context.moments.kernel"] = 2e-3 * rng.standard_normal(kernel.shape).astype(np.float32)
    model = _with(model, weights)
    codec = Codec(model)
    smooth = np.kron(rng.integers(0, 256, (5, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    image = smooth[:70, :90]
    data = codec.encode(image, 0.0067).data
    decoded = codec.decode(data).datum
    datum = image_datum(image, 64)
    run = jax.jit(
        lambda datum: objective(
            model,
            make_channel("rounding"),
            datum,
            jax.random.key(0),
            np.float32(0.0067),
            decode=eight_bit,
        )
    )
    terms = run(datum)
    expected = np.rint(np.asarray(terms.x_hat[:70, :90]) * 255).astype(np.uint8)
    assert (decoded != expected).mean() < 1e-3
    bits = float(sum(terms.bits))
    assert bits < 8 * len(data) < 1.01 * bits + 8 * 60
    assert (Codec(model).decode(data).datum == decoded).all()
