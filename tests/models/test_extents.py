"""An image in a larger array is to every model what it is in one of its own size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.coding import Codec
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import ImageExamples
from rdbound.evaluation.monte_carlo import OverData, SampledObjective, infer
from rdbound.evaluation.options import EvaluationOptions
from rdbound.models import make_model
from rdbound.models.hierarchy import LevelGroup
from rdbound.models.resnet_vae import HIERARCHIES, ResNetVAE
from rdbound.objective.datum import extent, image_datum, in_frame, stack
from rdbound.objective.distortion import SquaredError
from rdbound.objective.objective import clip
from rdbound.utils.compilation import run

RANGE = (0.0009, 0.0966)
TINY = (
    LevelGroup(16, 2, 4, 1, 0),
    LevelGroup(16, 2, 4, 0, 1),
    LevelGroup(16, 2, 4, 0, 1),
)


def _shaken(model):
    """Biases and all: what an untrained layer says of zeros is zero."""
    graphdef, state = nnx.split(model)
    rng = np.random.default_rng(0)
    noisy = jax.tree.map(
        lambda w: w + jnp.asarray(0.01 * rng.standard_normal(w.shape), w.dtype), state
    )
    return nnx.merge(graphdef, noisy)


def _model(name, monkeypatch):
    monkeypatch.setitem(HIERARCHIES, "tiny", TINY)
    if name == "resnet-vae":
        return _shaken(ResNetVAE("tiny", "codec", RANGE))
    return _shaken(make_model(f"{name}-1", "codec", RANGE, latent=8))


def test_rates_and_pictures_are_those_of_the_image_alone(monkeypatch, rng):
    model = _model("resnet-vae", monkeypatch)
    stride = model.stride
    image = rng.integers(0, 256, (5 * stride - 3, 3 * stride - 7, 3)).astype(np.uint8)
    data = jax.tree.map(lambda leaf: leaf[None], stack([image_datum(image, stride)]))
    framed = in_frame(data, stride)
    assert framed.x.shape[2:4] == (8 * stride, 4 * stride)
    one = extent(jax.tree.map(lambda leaf: leaf[0, 0], framed), stride)
    assert [int(n) for n in one] == [5 * stride, 3 * stride, 8 * stride, 4 * stride]
    graphdef, params = nnx.split(model)
    lmbdas = jnp.full((1, 1), 0.02)
    keys = jax.random.split(jax.random.key(0), (1, 1))
    sampled = SampledObjective(make_channel("rounding"), clip, 1, SquaredError(), True)

    def terms(data, framed):
        variational = run(OverData(graphdef, infer, framed), params, data, lmbdas)
        return run(OverData(graphdef, sampled, framed), params, data, variational, keys, lmbdas)

    (values, picture), (expected, whole) = terms(framed, True), terms(data, False)
    for key in ("bpp", "mse", "J"):
        np.testing.assert_allclose(values[key], expected[key], rtol=3e-4)
    h, w = image.shape[:2]
    assert np.isfinite(expected["bpp"]).all()
    assert float(whole[..., :h, :w, :].std()) > 0.01, "a picture of something"
    off = jnp.abs(picture[..., :h, :w, :] - whole[..., :h, :w, :]) > 1e-3
    assert float(off.mean()) < 2e-3, "but where a rounding fell otherwise"
    unmasked = terms(framed, False)[0]["bpp"] / expected["bpp"]
    assert float(jnp.abs(unmasked - 1).min()) > 0.05, "the frame is no part of it by itself"


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) for n in ("res-context", "resnet-vae")]
)
def test_streams_are_those_of_the_image_alone(name, monkeypatch, rng):
    """One codec computes in frames, the other does not: each reads what the other wrote."""
    model = _model(name, monkeypatch)
    of_one_size = nnx.clone(model)
    of_one_size.framed = False
    alone, framed = Codec(of_one_size), Codec(model)
    image = rng.integers(0, 256, (3 * model.stride - 5, 130, 3)).astype(np.uint8)
    streams = [codec.encode(image, 0.02).data for codec in (alone, framed)]
    assert abs(len(streams[0]) - len(streams[1])) < 0.002 * len(streams[0]) + 3
    for stream in streams:
        ours, theirs = (codec.decode(stream).datum.astype(int) for codec in (framed, alone))
        assert ours.shape == image.shape
        assert ours.std() > 1, "a picture of something"
        assert np.abs(ours - theirs).max() <= 1


class Pictures:
    name, names = "pictures", ("a", "b", "c")

    def __init__(self, rng):
        shapes = ((40, 130), (100, 30), (200, 200))
        self.images = [rng.integers(0, 256, (*s, 3)).astype(np.uint8) for s in shapes]

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.images[index]


def _traces(model, name, monkeypatch):
    """A list that grows by one each time that a method of the model's class is traced."""
    traced, method = [], getattr(type(model), name)

    def counting(self, *arguments, **options):
        traced.append(name)
        return method(self, *arguments, **options)

    monkeypatch.setattr(type(model), name, counting)
    return traced


@pytest.mark.parametrize("form", ["bound", pytest.param("codec", marks=pytest.mark.slow)])
def test_three_sizes_have_one_program_a_method(form, rng, monkeypatch):
    model = _shaken(make_model("res-hyper-1", form, RANGE, latent=8))
    options = EvaluationOptions(lmbdas=(0.02,), samples=2)
    checkpoint = Checkpoint(model, {}, None, form)
    jax.clear_caches()
    infer, synthesize = (_traces(model, name, monkeypatch) for name in ("infer", "synthesize"))
    rows = list(evaluate(checkpoint, ImageExamples(Pictures(rng)), options))
    if form == "bound":
        assert (len(rows), len(infer), len(synthesize)) == (6, 1, 2), "the bound and its floor"
    else:
        # Shapes of latents are traced for each size, without a program. Variational parameters
        # are given: the codec infers nothing.
        assert (len(rows), len(infer), len(synthesize)) == (9, 1 + 3, 3)
