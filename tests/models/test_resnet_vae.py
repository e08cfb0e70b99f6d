import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.coding import Codec
from rdbound.coding.entropy.guard_list import BAND
from rdbound.models import make_model
from rdbound.models.hierarchy import LevelGroup
from rdbound.models.latent_units import smooth_log
from rdbound.models.resnet_vae import HIERARCHIES, ResNetVAE
from rdbound.objective.datum import image_datum, whole
from rdbound.objective.objective import eight_bit, objective, real
from rdbound.ops.distributions import Gaussian
from rdbound.optimization.refinement import RefinementOptions, refine
from rdbound.optimization.training import TrainingProblem, fit
from rdbound.optimization.training_options import TrainingOptions
from rdbound.sources.base import Stream
from tests.coding.codecs.test_image import perturbed

RANGE = (0.0009, 0.0966)
TINY = (LevelGroup(16, 2, 6, 1, 0), LevelGroup(16, 2, 4, 0, 1), LevelGroup(12, 2, 3, 0, 0))
GAUSSIAN = make_channel("gaussian")


def _shaken(model, scale, seed=0):
    """The model with noise on all its weights."""
    graphdef, state = nnx.split(model)
    rng = np.random.default_rng(seed)
    noisy = jax.tree.map(
        lambda w: w + jnp.asarray(scale * rng.standard_normal(w.shape), w.dtype), state
    )
    return nnx.merge(graphdef, noisy)


@pytest.fixture(scope="module")
def tiny():
    """``tiny(form)``: six levels at strides 16, 8 and 4 that all say something."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HIERARCHIES, "tiny", TINY)
        yield lambda form: _shaken(ResNetVAE("tiny", form, RANGE), 0.05)


def _image(height, width, seed=2):
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3))
    return np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)[:height, :width]


def test_the_smooth_scale_is_the_logarithm_of_softplus():
    v = np.linspace(-59, 200, 500)
    expected = np.log(np.log1p(2.0**v) / np.log(2))
    found = smooth_log(jnp.asarray(v, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    far = jnp.asarray([-1e4, -100.0, 0.0, 1e4], jnp.float32)
    expected = [
        -1e4 * np.log(2) - np.log(np.log(2)),
        -100 * np.log(2) - np.log(np.log(2)),
        0,
        np.log(1e4),
    ]
    np.testing.assert_allclose(smooth_log(far), expected, rtol=1e-5, atol=1e-6)
    slope = jax.vmap(jax.grad(smooth_log))(far)
    np.testing.assert_allclose(slope, [np.log(2), np.log(2), 0.5, 1e-4], rtol=1e-4)


@pytest.mark.slow
def test_untrained_it_is_the_transform_codec_that_res_hyper_begins_as():
    """What stride 16 conveys is the same KLT of a block, and nothing else is said yet."""
    image = jnp.asarray(_image(128, 64) / 255.0, jnp.float32)
    lmbda = 0.01
    hyper = make_model("res-hyper-4", "bound", RANGE)
    vae = make_model("resnet-vae-small", "bound", RANGE)
    at_16 = [vae.strides[place] == 16 for place in vae.group_of]

    @jax.jit
    def of_vae(image):
        """Means and log-scales of the priors at stride 16, and the picture of those means."""
        state, means, scales = vae.start(lmbda), [], []
        for level, known in enumerate(vae.infer(image, lmbda)):
            mean = vae.posterior(level, state, known).mu
            if at_16[level]:
                means.append(mean)
                scales.append(vae.prior(level, state).log_sigma)
            state = vae.absorb(level, state, mean if at_16[level] else 0 * mean)
        return jnp.concatenate(means, -1), jnp.concatenate(scales, -1), vae.synthesize(state)

    @jax.jit
    def of_hyper(image):
        z, y = hyper.infer(image, lmbda)
        prior = hyper.prior(1, (0 * z.mu,), lmbda)
        return y.mu, prior.log_sigma, hyper.image(y.mu, lmbda)

    expected = of_hyper(image)
    for value, other, atol in zip(of_vae(image), expected, (1e-3, 1e-4, 1e-4), strict=True):
        np.testing.assert_allclose(value, other, atol=atol)
    assert float(jnp.abs(expected[0]).max()) > 5


def test_the_analytic_rate_of_each_level_is_its_monte_carlo_mean(tiny):
    """KL given the latents above, against log q − log p of draws of that level."""
    model, lmbda = tiny("bound"), 0.02
    variational = model.infer(jnp.asarray(_image(16, 16) / 255.0, jnp.float32), lmbda)
    assert len(variational) == 6
    state = model.start(lmbda)
    for level, known in enumerate(variational):
        p, q = model.prior(level, state), model.posterior(level, state, known)
        keys = jax.random.split(jax.random.key(level), 3000)

        def ratio(key, q=q, p=p):
            sample, log_q = q.draw(key)
            return jnp.sum(log_q - p.log_density(sample)) / np.log(2)

        draws = jax.jit(jax.vmap(ratio))(keys)
        error = float(draws.std()) / len(keys) ** 0.5
        assert float(jnp.sum(p.kl_bits(q))) == pytest.approx(float(draws.mean()), abs=4 * error)
        state = model.absorb(level, state, q.draw(jax.random.key(100 + level))[0])


def test_each_latent_moves_the_priors_after_it_and_the_posteriors_too(tiny):
    model, lmbda = tiny("bound"), 0.02
    variational = model.infer(jnp.asarray(_image(16, 16) / 255.0, jnp.float32), lmbda)
    last = len(variational) - 1

    @jax.jit
    def moments(moved):
        state = model.start(lmbda)
        for level, known in enumerate(variational[:-1]):
            latent = model.posterior(level, state, known).mu
            state = model.absorb(level, state, latent + moved[level])
        p, q = model.prior(last, state), model.posterior(last, state, variational[last])
        return p.mu, p.log_sigma, q.mu, q.log_sigma

    still = moments(jnp.zeros(last))
    for level in range(last):
        moved = moments(0.5 * jnp.eye(last)[level])
        for before, after in zip(still, moved, strict=True):
            assert float(jnp.abs(after - before).max()) > 1e-4


class GaussianBlocks:
    """4×4 RGB blocks, 48 Gaussian numbers of which ``deviations`` are not zero, rotated."""

    def __init__(self, deviations):
        self.deviations = np.asarray(deviations)
        turn = np.linalg.qr(np.random.default_rng(5).standard_normal((48, 48)))[0]
        self.matrix = jnp.asarray(turn[:, : len(deviations)] * deviations, jnp.float32)

    def sample(self, key, count):
        z = jax.random.normal(key, (count, len(self.deviations)))
        return 0.5 + (z @ self.matrix.T).reshape(count, 4, 4, 3)

    def exact_J(self, lmbda):
        """Reverse water-filling, bits per pixel and MSE on 0–255: 16 pixels, 48 numbers."""
        # J = Σ ½·log₂(σ²/D)/16 + λ·255²·ΣD/48 is stationary at D = θ.
        level = 48 / (16 * 2 * np.log(2) * lmbda * 255**2)
        D = np.minimum(self.deviations**2, level)
        return (0.5 * np.log2(self.deviations**2 / D)).sum() / 16 + lmbda * 255**2 * D.sum() / 48


@pytest.mark.slow
def test_two_levels_reach_reverse_water_filling_and_never_pass_below(tmp_path, monkeypatch):
    monkeypatch.setitem(HIERARCHIES, "two", (LevelGroup(16, 2, 4, 0, 0),))
    source, lmbda, steps = GaussianBlocks([0.5, 0.4, 0.3, 0.2, 0.1, 0.03]), 2e-3, 2500
    options = TrainingOptions(
        steps=steps,
        batch=256,
        learning_rate=1e-2,
        warmup=50,
        clip=10.0,
        checkpoint_every=steps,
        log_every=500,
    )
    start = ResNetVAE("two", "bound", (lmbda, lmbda))
    model = fit(TrainingProblem(start, GAUSSIAN, Stream(source, 256, 0)), options, tmp_path)
    x, keys = source.sample(jax.random.key(9), 40_000), jax.random.split(jax.random.key(8), 40_000)
    one = lambda x, key: objective(model, GAUSSIAN, whole(x), key, lmbda).J  # noqa: E731
    J = np.asarray(jax.jit(jax.vmap(one))(x, keys), np.float64)
    error = J.std() / len(J) ** 0.5
    excess = J.mean() - source.exact_J(lmbda)
    assert excess > -4 * error, "an upper bound must not lie below the truth"
    assert excess < 0.01 + 4 * error
    assert source.exact_J(lmbda) > 0.5
    # Both levels convey: four numbers cannot tell of six.
    bits = objective(model, GAUSSIAN, whole(x[0]), keys[0], lmbda).bits
    assert min(map(float, bits)) > 0.5


@pytest.mark.parametrize("size", [(1, 1), (65, 129)])
def test_real_bytes_are_what_was_encoded_on_another_machine_too(tiny, size):
    model = tiny("codec")
    codec, image, lmbda = Codec(model), _image(*size), 0.0067
    data = codec.encode(image, lmbda).data
    decoded = codec.decode(data).datum
    run = jax.jit(
        lambda datum: objective(
            model,
            make_channel("rounding"),
            datum,
            jax.random.key(0),
            np.float32(lmbda),
            decode=eight_bit,
        )
    )
    terms = run(image_datum(image, model.stride))
    expected = np.rint(np.asarray(terms.x_hat[: size[0], : size[1]]) * 255).astype(np.uint8)
    assert (decoded != expected).mean() < 1e-3
    bits = float(sum(terms.bits))
    assert abs(8 * len(data) - bits) < 0.02 * bits + 8 * 80
    rng = np.random.default_rng(0)
    other = perturbed(model, lambda s: rng.uniform(-BAND, BAND, s).astype(np.float32) * 0.95)
    np.testing.assert_array_equal(other.decode(data).datum, decoded)


@pytest.mark.slow
def test_refined_is_never_worse_judged_afresh(tiny):
    model, lmbda = tiny("bound"), 0.02
    data = jax.tree.map(lambda leaf: leaf[None], image_datum(_image(32, 32), 16))
    lmbdas, keys = jnp.full(1, lmbda), jax.random.split(jax.random.key(4), 1)
    variational = jax.vmap(model.infer)(data.x, lmbdas)
    options = RefinementOptions(steps=60, learning_rate=0.01, check_every=20, check_samples=16)
    refined = refine(model, GAUSSIAN, GAUSSIAN, real, options)(data, variational, lmbdas, keys)
    datum = jax.tree.map(lambda leaf: leaf[0], data)

    @jax.jit
    def J(variational):
        own = jax.tree.map(lambda leaf: leaf[0], variational)
        one = lambda k: objective(model, GAUSSIAN, datum, k, lmbda, own).J  # noqa: E731
        return jax.vmap(one)(jax.random.split(jax.random.key(5), 64))

    before, after = J(variational), J(refined.variational)
    noise = float((before - after).std()) * (1 / 64 + 1 / 16) ** 0.5
    assert float(after.mean() - before.mean()) < -4 * noise, "it gains, beyond doubt"
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), refined.variational, variational)
    assert min(jax.tree.leaves(moved)) > 0, "features, means and scales of every level"


@pytest.mark.parametrize(
    ("size", "parameters"),
    [("small", 14.9e6), pytest.param("large", 187e6, marks=pytest.mark.slow)],
)
def test_sizes_are_those_that_are_told(size, parameters):
    model = nnx.eval_shape(lambda: make_model(f"resnet-vae-{size}", "bound", RANGE))
    counted = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(model)))
    assert counted == pytest.approx(parameters, rel=0.05)
    assert model.strides == (64, 32, 16, 8, 4)
    assert min(np.bincount(model.group_of)) >= 2


def test_a_codec_has_scales_bounded_and_a_bound_the_box_variance(tiny):
    for form, least in (("codec", 0.11), ("bound", 12**-0.5)):
        model = tiny(form)
        level = model.levels[1].to_prior
        level.bias[...] = jnp.full_like(level.bias[...], -90.0)
        state = model.absorb(0, model.start(0.01), jnp.zeros((1, 1, 6)))
        prior = model.prior(1, state)
        assert isinstance(prior, Gaussian)
        np.testing.assert_allclose(jnp.exp(prior.log_sigma), least, rtol=1e-5)


def test_an_unknown_size_is_named():
    with pytest.raises(ValueError, match="unknown size 'huge': choose one of small, large"):
        ResNetVAE("huge")
