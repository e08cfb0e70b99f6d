import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.coding import Codec
from rdbound.coding.codecs import tiling
from rdbound.coding.codecs.compiled_model import CompiledModel
from rdbound.coding.codecs.receptive_field import measured
from rdbound.coding.codecs.tiling import Windows, spans
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import ImageExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.models.layers import depth_to_space, space_to_depth
from rdbound.ops.cpu_kernels import convolution
from rdbound.ops.distributions import Gaussian, Mixture


class Convolutional(nnx.Module):
    """z [H/4, W/4, 3] and y [H/2, W/2, 2]; ``depth`` convolutions of 3×3 at every resolution."""

    stride, form, lmbda_range = 4, "codec", (0.01, 0.1)

    def __init__(self, depth=2, seed=0):
        kernel = lambda k, c: jax.random.normal(jax.random.key(seed + k), (3, 3, c, c)) / 3  # noqa: E731
        self.depth = depth
        self.at_x, self.at_y, self.at_z = (nnx.Param(kernel(k, c)) for k, c in enumerate((3, 2, 3)))

    def _look(self, x, kernel):
        for _ in range(self.depth):
            x = convolution(x, kernel[...])
        return x

    def infer(self, x, lmbda):
        x = self._look(4 * x, self.at_x)
        z, y = space_to_depth(x, 4)[..., :3], space_to_depth(x, 2)[..., 1:3]
        return Gaussian(3 * z, 0 * z), Gaussian(9 * y, 0 * y)

    def prior(self, level, latents, lmbda):
        if level == 0:
            zeros = jnp.zeros((3, 1))
            return Mixture(zeros, zeros, zeros + 1.0, zeros[:, 0])
        looked = self._look(latents[0], self.at_z)
        up = depth_to_space(jnp.concatenate([looked, looked[..., :1]] * 2, -1), 2)
        return Gaussian(up, jnp.full(up.shape, 1.0))

    def synthesize(self, latents, lmbda):
        y = self._look(latents[1], self.at_y) / 30
        return jnp.repeat(jnp.repeat(jnp.concatenate([y, y[..., :1]], -1), 2, 0), 2, 1) + 0.5


class Global(Convolutional):
    def synthesize(self, latents, lmbda):
        return super().synthesize(latents, lmbda) + latents[1].mean()


class Placed(Convolutional):
    def infer(self, x, lmbda):
        ramp = jnp.linspace(0.0, 1.0, x.shape[0])[:, None, None]
        return super().infer(x + ramp, lmbda)


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 64 pixels a side: 16 cells."""
    monkeypatch.setattr(tiling, "LARGEST_SIDE", 64)


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 8))
def test_spans_use_every_cell_once_and_only_where_it_is_exact(cells, most, reach):
    if cells > most <= 2 * reach:
        with pytest.raises(ValueError, match="too far"):
            spans(cells, most, reach)
        return
    length, found = spans(cells, most, reach)
    used = [cell for span in found for cell in range(span.begin, span.end)]
    assert used == list(range(cells))
    assert length <= most or length == cells
    for span in found:
        assert 0 <= span.start <= cells - length
        assert span.begin >= (span.start + reach if span.start else 0)
        stop = span.start + length
        assert span.end <= (stop - reach if stop < cells else cells)


@pytest.mark.parametrize(("depth", "cells"), [(1, 1), (4, 1), (5, 2)])
def test_reach_is_what_the_convolutions_see(depth, cells):
    """``depth`` pixels at stride 1, twice that at stride 2, four times at stride 4."""
    model = Convolutional(depth)
    found = measured(model, CompiledModel(model), 2048).cells
    assert found["infer", 0] == cells
    assert found["synthesize", 0] == -(-2 * depth // 4)
    assert found["prior", 1] == depth
    assert found["prior", 0] == found["absorb", 0] == found["posterior", 1] == 0


def test_windows_give_what_the_whole_image_gives(rng, small_windows):
    model = Convolutional()
    of = CompiledModel(model)
    x, lmbda = rng.random((120, 148, 3), np.float32), jnp.float32(0.03)
    parts = Windows(model, of).sides(120, 148)
    variational = of.infer(x, lmbda)
    state = of.start(lmbda)
    assert jax.tree.all(jax.tree.map(_close, variational, parts.infer(x, lmbda)))
    for level in range(2):
        assert jax.tree.all(jax.tree.map(_close, of.prior(level, state), parts.prior(level, state)))
        state = of.absorb(level, state, variational[level].mu)
    assert _close(of.synthesize(state), parts.synthesize(state))


def _close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=1e-5)
    return True


@pytest.mark.parametrize(("model", "says"), [(Global, "more of an image"), (Placed, "where on")])
def test_a_model_that_windows_would_change_is_refused(model, says):
    with pytest.raises(ValueError, match=says):
        measured(model(), CompiledModel(model()), 128)


def test_codec_and_rows_of_a_large_image_are_those_of_the_whole(rng, monkeypatch):
    image = rng.integers(0, 256, (117, 150, 3)).astype(np.uint8)
    found = [_coded_and_rows(image)]
    monkeypatch.setattr(tiling, "LARGEST_SIDE", 64)
    found.append(_coded_and_rows(image))
    (stream, rows), (other_stream, other_rows) = found
    assert stream == other_stream
    for row, other in zip(rows, other_rows, strict=True):
        assert other.method == row.method
        for column in ("bpp", "mse", "J"):
            assert getattr(other, column) == pytest.approx(getattr(row, column), rel=1e-5)


def _coded_and_rows(image):
    model = Convolutional()
    codec = Codec(model)

    class One:
        name, names = "one", ("image",)

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return image

    stream = codec.compress(image, 0.03)
    assert codec.decompress(stream).shape == image.shape
    checkpoint = Checkpoint(model, {}, codec.tables, "toy")
    options = EvaluationOptions(lmbdas=(0.03,), samples=2)
    return stream, list(evaluate(checkpoint, ImageExamples(One()), options))
