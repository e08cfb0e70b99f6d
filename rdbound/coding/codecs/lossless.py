"""Lossless codecs: latents by any coder, and every pixel by what they say of it.

Of a model whose reconstruction is a distribution of pixels
(:class:`rdbound.ops.discretized_logistic.PixelDistribution`). A coder of levels conveys the
latents and the pixels follow in the same stream (:class:`LosslessCodec`); bits-back draws the
latents from side information and gives it back, so that they cost only what they tell of the image
(:class:`LosslessBitsBack`, after HiLLoC, Townsend et al. 2020, arXiv 1912.09953). An image
that rides along in the next one's stream pays for its initial bits once for all of them:

    data = codec.compress(first).data
    data = codec.compress(second, side=data).data
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.coding.codecs.bits_back.side_information import (
    Told,
    side_stack,
    split,
    told_container,
    told_parameters,
    without_filling,
)
from rdbound.coding.codecs.compiled_model import CompiledModel
from rdbound.coding.codecs.container import BITS_BACK, BitstreamError, Header, read_container
from rdbound.coding.codecs.errors import OTHER_ARITHMETIC, finite, unless_lost
from rdbound.coding.codecs.fingerprint import fingerprint
from rdbound.coding.codecs.image import Codec
from rdbound.coding.codecs.limits import MAX_PIXELS, Limits, check_image
from rdbound.coding.codecs.padded_model import in_frames
from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.discretized_gaussian import WIDTH, DiscretizedGaussian
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.pixel_coder import pop_levels, push_levels, read_levels, write_levels
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import LatentModel, LevelModel, VariationalParameters, is_lossless
from rdbound.objective.datum import image_datum, padded_shape
from rdbound.objective.levels import latent_shapes
from rdbound.ops.discretized_logistic import PixelDistribution

__all__ = ["LosslessBitsBack", "LosslessCodec"]


class LosslessCodec(Codec):
    """Latents by a coder of levels, then the pixels: what is decoded is the image itself.

    Args: as of :class:`rdbound.coding.Codec`. Raises ValueError as it does.
    """

    def decompress(self, data: bytes) -> np.ndarray:
        """The container → the image, uint8 [h, w, 3]; raises as :meth:`Codec.decompress`."""
        return self._decode(data)[1]

    def _sides(self, height: int, width: int) -> LevelModel:
        return in_frames(self._model, self._compiled, self._padded(height, width))

    def _write_rest(
        self, of: LevelModel, state: Any, x: Any, size: tuple[int, ...], writer: Writer
    ) -> None:
        write_levels(_said(of, state), _levels(x, size), writer)

    def _read_rest(
        self, of: LevelModel, state: Any, header: Header, reader: Reader
    ) -> Callable[[], np.ndarray]:
        levels = read_levels(_said(of, state), (header.height, header.width), reader)
        return lambda: levels


class LosslessBitsBack:
    """Bits-back coding of an image with side information: both come back exactly.

    The encoder draws the latents of every level from the side information by their posteriors,
    pushes the pixels given them, and the latents by their priors. The decoder pops all
    that, infers the same posteriors from the image and pushes the latents by them.

    Args:
      model: with a distribution of pixels, whose posteriors and priors are Gaussian. Its
        weights are taken now.
      tables: of the checkpoint, which the fingerprint hangs on; a bound has none.
      max_pixels: of an image with its padding; None for no limit.

    Attributes:
      fingerprint, lmbda_range: as of :class:`rdbound.coding.Codec`.

    Raises ValueError for another model.
    """

    name = "bits-back"
    code = BITS_BACK

    def __init__(
        self, model: LatentModel, tables: Tables | None = None, max_pixels: int | None = MAX_PIXELS
    ):
        if not is_lossless(model):
            raise ValueError("lossless bits-back needs a model that says a distribution of pixels")
        self.fingerprint = fingerprint(model, tables or {})
        self.lmbda_range = model.lmbda_range
        self._model = nnx.clone(model)
        self._limits = Limits.of_images(model, max_pixels)
        self._of = CompiledModel(model)

    def compress(
        self,
        image: np.ndarray,
        lmbda: float | None = None,
        side: bytes = b"",
        variational: VariationalParameters | None = None,
    ) -> Told:
        """uint8 [h, w, 3] and any bytes →
        :class:`rdbound.coding.codecs.bits_back.side_information.Told`.

        Args:
          image: any size from 1×1 up.
          lmbda: what the model is asked with; the middle of its range by default.
          side: what rides along.
          variational: none: the decoder could not infer it.

        Raises ValueError for variational parameters, another array type, too many pixels, a λ
        outside the trained range, or a latent that is not finite.
        """
        if variational is not None:
            raise ValueError(
                "bits-back infers from the image alone: it takes no refined variational parameters"
            )
        check_image(image)
        rate, size = self._limits.lmbda(lmbda), (image.shape[0], image.shape[1])
        self._limits.check_size(size)
        drawn = _Drawn(self._levels_of(size, rate), image)
        known = side_stack(side, drawn.levels.latents, drawn.draw)
        writer = Writer()
        drawn.write(image, known.stack, writer)
        parameters = {"filled": known.filled, "side": len(side)}
        header = Header(self.fingerprint, writer.crc, rate, *size, self.code, parameters)
        return told_container(header, writer.finish(), known)

    def decompress(self, data: bytes) -> tuple[np.ndarray, bytes]:
        """The container → (the image, uint8 [h, w, 3], the side information).

        Raises :class:`BitstreamError` where the stream is not whole, not this model's or
        this coder's, or this machine's arithmetic is too different to read it.
        """
        header, payload = read_container(bytes(data), self.fingerprint)
        if header.coder != self.code:
            raise BitstreamError(f"written by coder {header.coder}, not by {self.name!r}")
        size = header.height, header.width
        with self._limits.met_by(header):
            levels = self._levels_of(size, header.lmbda)
        length, filled = told_parameters(header)
        text, words = split(payload)
        reader = Reader(text)
        image, original = unless_lost(lambda: levels.read(size, BitStack(words), reader))
        side = without_filling(original, filled, length)
        if reader.crc != header.index_crc or not reader.exhausted() or side is None:
            raise BitstreamError(OTHER_ARITHMETIC)
        return image, side

    def takes(self, size: tuple[int, ...]) -> int:
        """How many latents of an image of [h, w, …] are drawn from side information."""
        return self._levels_of((size[0], size[1]), self.lmbda_range[0]).latents

    def _levels_of(self, size: tuple[int, int], lmbda: float) -> "_Levels":
        padded = padded_shape(*size, self._model.stride)
        shapes = latent_shapes(self._model, (*padded, 3))
        of = in_frames(self._model, self._of, padded)
        return _Levels(of, self._model.stride, jnp.float32(lmbda), tuple(map(tuple, shapes)))


@dataclass(frozen=True)
class _Levels:
    """The levels of images of one size, as the decoder meets them."""

    of: Any
    stride: int
    lmbda: jax.Array
    shapes: tuple[tuple[int, ...], ...]

    @property
    def latents(self) -> int:
        """How many there are."""
        return sum(math.prod(shape) for shape in self.shapes)

    def infer(self, image: np.ndarray) -> VariationalParameters:
        """What the encoder knows of an image, and the decoder once it has it."""
        return self.of.infer(image_datum(image, self.stride).x, self.lmbda)

    def prior(self, level: int, state: Any, stream: Writer | Reader) -> DiscretizedGaussian:
        """Of a level, agreed on."""
        return DiscretizedGaussian.of(self.of.prior(level, state), self.shapes[level], stream)

    def posterior(
        self,
        level: int,
        state: Any,
        variational: VariationalParameters,
        stream: Writer | Reader | None = None,
    ) -> DiscretizedGaussian:
        """Of a level; agreed on where there is a stream."""
        known = self.of.posterior(level, state, variational[level])
        return DiscretizedGaussian.of(known, self.shapes[level], stream)

    def after(self, level: int, state: Any, boxes: np.ndarray) -> Any:
        """The state once a level's boxes are known."""
        latent = boxes.reshape(self.shapes[level]) * WIDTH
        return self.of.absorb(level, state, latent.astype(np.float32))

    def read(
        self, size: tuple[int, int], stack: BitStack, stream: Reader
    ) -> tuple[np.ndarray, np.ndarray]:
        """(the image, the words that its latents were drawn from)."""
        levels = range(len(self.shapes))
        states, drawn = [self.of.start(self.lmbda)], []
        for level in levels:
            drawn.append(self.prior(level, states[-1], stream).pop(stack, stream))
            states.append(self.after(level, states[-1], drawn[-1]))
        image = pop_levels(_said(self.of, states[-1]), size, stack, stream)
        variational = self.infer(image)
        by = [self.posterior(level, states[level], variational, stream) for level in levels]
        for level in reversed(levels):
            by[level].push(stack, drawn[level])
        return image, stack.original()


class _Drawn:
    """The latents of one image, drawn from a stack and then told."""

    def __init__(self, levels: _Levels, image: np.ndarray):
        self.levels, self._variational = levels, levels.infer(image)
        self._states = [levels.of.start(levels.lmbda)]
        self._by: list[DiscretizedGaussian] = []
        self._boxes: list[np.ndarray] = []

    def draw(self, stack: BitStack) -> None:
        """Pop the latents; any later call finds the same on top and pops it again."""
        for level, by in enumerate(self._by):
            assert np.array_equal(by.pop(stack), self._boxes[level])
        for level in range(len(self._by), len(self.levels.shapes)):
            by = self.levels.posterior(level, self._states[level], self._variational)
            boxes = by.pop(stack)
            self._by.append(by)
            self._boxes.append(boxes)
            self._states.append(self.levels.after(level, self._states[level], boxes))

    def write(self, image: np.ndarray, stack: BitStack, stream: Writer) -> None:
        """Push the image and the latents; what they are pushed by is written in reading's order."""
        priors = []
        for level, boxes in enumerate(self._boxes):
            priors.append(self.levels.prior(level, self._states[level], stream))
            priors[-1].write_excess(stream, boxes)
        push_levels(_said(self.levels.of, self._states[-1]), image, stack, stream)
        for prior, boxes in reversed(list(zip(priors, self._boxes, strict=True))):
            prior.push(stack, boxes)
        for level in range(len(self._boxes)):
            self.levels.posterior(level, self._states[level], self._variational, stream)


def _said(of: LevelModel, state: Any) -> PixelDistribution:
    """What is said of the pixels, of NumPy arrays."""
    return jax.tree.map(finite, of.synthesize(state))


def _levels(x: Any, size: tuple[int, ...]) -> np.ndarray:
    """The image, uint8, that its datum was made of."""
    return np.rint(255.0 * np.asarray(x)[: size[0], : size[1]]).astype(np.uint8)
