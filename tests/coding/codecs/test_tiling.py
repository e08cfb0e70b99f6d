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
from rdbound.coding.codecs.compiled_model import compiled
from rdbound.coding.codecs.tiling import spans, tiled, tiling_of
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
        self.reach = depth  # at stride 4, the widest
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


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 64 pixels a side: 16 cells."""
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


def test_tiles_give_what_the_whole_image_gives(rng, small_tiles):
    model = Convolutional()
    of = compiled(model)
    x, lmbda = rng.random((120, 148, 3), np.float32), jnp.float32(0.03)
    parts = tiled(of, tiling_of(model), (120, 148))
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


def test_a_model_that_cannot_be_tiled_is_refused(rng, small_tiles):
    """The message names what is missing, or what is in the way."""

    class Unknown(Convolutional):
        def __init__(self):
            super().__init__()
            del self.reach

    class Uneven(Convolutional):
        def synthesize(self, latents, lmbda):
            return super().synthesize(latents, lmbda)[1:]

    image = rng.integers(0, 256, (80, 80, 3)).astype(np.uint8)
    with pytest.raises(ValueError, match="Unknown must declare its receptive field"):
        Codec(Unknown()).encode(image)
    with pytest.raises(ValueError, match="does not scale with the image"):
        Codec(Uneven()).encode(image)
    with pytest.raises(ValueError, match="reaches 8 cells far, too far for tiles of 16"):
        Codec(Convolutional(depth=8)).encode(image)
    assert Codec(Unknown()).decode(Codec(Unknown()).encode(image[:60, :60]).data).datum.any()


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

    stream = codec.encode(image, 0.03).data
    assert codec.decode(stream).datum.shape == image.shape
    checkpoint = Checkpoint(model, {}, codec.tables, "toy")
    options = EvaluationOptions(lmbdas=(0.03,), samples=2)
    return stream, list(evaluate(checkpoint, ImageExamples(One()), options))
