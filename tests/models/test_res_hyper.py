import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.models import MODELS, LatentModel, make_model
from rdbound.models.klt_init import stages
from rdbound.objective.complexity import cost
from rdbound.objective.datum import Datum
from rdbound.objective.objective import objective
from rdbound.ops.distributions import Gaussian, Mixture

RANGE = (0.0009, 0.0966)


@pytest.fixture(scope="module")
def bound():
    return make_model("res-hyper-1", "bound", RANGE)


def _image(rng, side=64):
    return jnp.asarray(rng.random((side, side, 3)), jnp.float32)


def test_levels_and_shapes(bound, rng):
    assert isinstance(bound, LatentModel)
    shape = jax.eval_shape
    z, y = shape(lambda x: bound.infer(x, 0.01), _image(rng, 128))
    assert z.mu.shape == (2, 2, 64)
    assert y.mu.shape == (8, 8, 96)
    assert shape(lambda z: bound.prior(1, (z,), 0.01), z.mu).mu.shape == y.mu.shape
    assert shape(lambda z, y: bound.synthesize((z, y), 0.01), z.mu, y.mu).shape == (128, 128, 3)


def test_form_decides_the_prior_of_z():
    abstract = nnx.eval_shape(lambda: make_model("res-hyper-1", "codec", RANGE))
    kinds = {}
    for form in ("bound", "codec"):
        model = make_model("res-hyper-1", form, 0.01)
        kinds[form] = model.prior(0, (), 0.01)
    assert isinstance(kinds["bound"], Gaussian)
    assert isinstance(kinds["codec"], Mixture)
    weight = jnp.exp(kinds["codec"].log_weight).sum(-1)
    np.testing.assert_allclose(weight, 1.0, rtol=1e-6)
    assert abstract.form == "codec"


def test_an_untrained_model_is_the_truncated_klt(rng):
    """Without noise, analysis and synthesis keep the leading components and nothing else."""
    model = make_model("res-hyper-4", "bound", RANGE)
    low = rng.random((4, 4, 3))
    x = jnp.asarray(np.kron(low, np.ones((16, 16, 1))), jnp.float32)  # flat 16×16 blocks

    @jax.jit
    def through(x):
        return model.synthesize([q.mu for q in model.infer(x, 0.01)], 0.01)

    x_hat = through(x)
    np.testing.assert_allclose(x_hat, x, atol=2e-2)


def test_klt_stages_are_orthonormal_and_ordered():
    for stage in stages((4, 2, 2), (48, 96, 128)):
        gram = stage.rotation.T @ stage.rotation
        np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-10)
        assert (np.diff(stage.std) <= 1e-12).all()


def test_variable_rate_hears_lambda_and_fixed_rate_has_no_embedding(bound, rng):
    fixed = make_model("res-hyper-1", "bound", 0.01)
    assert fixed.embedding is None
    assert bound.embedding is not None
    x = _image(rng)
    low, high = (bound.infer(x, lmbda)[1].mu for lmbda in RANGE)
    ratio = jnp.std(high) / jnp.std(low)
    assert float(ratio) == pytest.approx(np.sqrt(RANGE[1] / RANGE[0]), rel=0.01)


def test_bfloat16_compute_keeps_rates_in_float32(rng, key):
    datum = Datum(_image(rng), jnp.ones((64, 64, 1)))
    values = []
    for compute in ("float32", "bfloat16"):
        model = make_model("res-hyper-1", "bound", RANGE, compute=compute)
        channel = make_channel("gaussian")
        terms = nnx.jit(lambda m, c=channel: objective(m, c, datum, key, 0.01))(model)
        assert terms.J.dtype == jnp.float32
        values.append(float(terms.J))
    assert values[1] == pytest.approx(values[0], rel=0.02)


@pytest.mark.slow
def test_eight_sizes_from_5k_to_400k_macs():
    names = [n for n in MODELS if n.startswith("res-hyper")]
    assert len(names) == 8
    macs = []
    for name in (names[0], names[3], names[-1]):
        c = cost(nnx.eval_shape(lambda name=name: make_model(name, "bound", RANGE)))
        assert c.decoder == pytest.approx(c.encoder, rel=0.02)
        macs.append(c.encoder)
    assert macs[0] == pytest.approx(5e3, rel=0.1)
    assert 25e3 < macs[1] < 60e3
    assert macs[2] == pytest.approx(400e3, rel=0.1)


def test_counted_macs_are_those_of_a_known_layer():
    class Known(nnx.Module):
        stride, form, lmbda_range = 1, "bound", (1.0, 1.0)

        def __init__(self):
            self.conv = nnx.Conv(3, 5, (3, 3), rngs=nnx.Rngs(0))
            self.dense = nnx.Linear(5, 3, rngs=nnx.Rngs(0))

        def infer(self, x, lmbda):
            h = self.conv(x)
            return (Gaussian(h, h),)

        def prior(self, level, latents, lmbda):
            return Gaussian(jnp.zeros(5), jnp.zeros(5))

        def synthesize(self, latents, lmbda):
            return self.dense(latents[0])

    assert cost(Known()) == (3 * 5 * 9 + 5 + 5 * 3 + 3, 3 * 5 * 9, 5 * 3)


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("res-hyper-9", "bound", "unknown model 'res-hyper-9': choose one of res-hyper-1"),
        ("res-hyper-1", "bond", "unknown form 'bond'"),
        ("nowhere.at.all:Model", "bound", "cannot be imported"),
        ("collections:OrderedDict", "bound", "lacks a method"),
    ],
)
def test_mistakes_are_named(name, form, message):
    with pytest.raises(ValueError, match=message):
        make_model(name, form, 0.01)


def test_gradients_are_finite_at_extreme_rates(bound, rng, key):
    graphdef, params = nnx.split(bound)

    def J(params, lmbda):
        datum = Datum(_image(rng), jnp.ones((64, 64, 1)))
        return objective(nnx.merge(graphdef, params), make_channel("gaussian"), datum, key, lmbda).J

    gradient = jax.jit(jax.grad(J))
    for lmbda in RANGE:
        for leaf in jax.tree.leaves(gradient(params, lmbda)):
            assert jnp.isfinite(leaf).all()


def test_y_is_as_wide_as_asked_for_and_the_stage_below_holds_it():
    model = nnx.eval_shape(lambda: make_model("res-hyper-4", "bound", RANGE))
    assert model.size.latent == 384
    assert model.size.widths == (112, 192, 384)
    old = nnx.eval_shape(lambda: make_model("res-hyper-4", "bound", RANGE, latent=256))
    assert old.size.widths == (112, 192, 256)
    with pytest.raises(ValueError, match="multiple of four"):
        make_model("res-hyper-1", "bound", RANGE, latent=30)


@pytest.mark.parametrize("latent", [pytest.param(256, marks=pytest.mark.slow), 384])
def test_the_floor_that_a_width_of_y_leaves_is_that_of_the_klt(latent, rng):
    """Without noise an untrained model keeps the leading components of white blocks: floor known.

    Of white noise, 1 − latent/768 of the energy is lost by any orthonormal transform.
    """
    model = make_model("res-hyper-4", "bound", RANGE, latent=latent)
    x = jnp.asarray(0.5 + 0.1 * rng.standard_normal((64, 64, 3)), jnp.float32)
    x_hat = model.synthesize([q.mu for q in model.infer(x, 0.01)], 0.01)
    lost = float(jnp.mean((x - x_hat) ** 2)) / 0.01
    assert lost == pytest.approx(1 - latent / 768, abs=0.05)


def test_the_unit_of_y_is_that_of_the_mse_a_lambda_is_worth(rng):
    """A λ of another distortion, and the λ of MSE that it is worth, mean the same latents."""
    plain = make_model("res-hyper-1", "bound", 0.01)
    other = make_model("res-hyper-1", "bound", 12.7, mse_per_unit=1 / 1270)
    x = _image(rng)
    for a, b in zip(
        jax.tree.leaves(plain.infer(x, 0.01)), jax.tree.leaves(other.infer(x, 12.7)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
