"""Lossy bits-back coding: the price of hyperlatents returned as side information.

    codec = BitsBackCodec(checkpoint.model)
    data = codec.compress(image, lmbda=0.0067, side=other).data   # any bytes ride along
    image, other = codec.decompress(data)

Algorithm 1 of Yang, Bamler & Mandt 2020 (arXiv 2006.04240). Of a model with two levels,
z and then y, the encoder rounds y to integers ŷ, infers Q(z | ŷ), and *decodes* ẑ from the side
information by Q; then it encodes ŷ under P(ŷ | ẑ) and ẑ under P(ẑ). The decoder reads ẑ and
ŷ, infers the same Q and encodes ẑ by it: that gives the side information back. What an
image costs is the file less the side information; where there is too little of that, bits of a
known generator fill up, and are paid for.

It is no walk of per-level coders, since its decoder infers from a later latent what an
earlier one was drawn by; the container is the same, with a code of its own.
"""

from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from pydantic import Field, SkipValidation, validate_call

from rdbound.coding.codecs.bits_back.reproducible_inference import inferred
from rdbound.coding.codecs.bits_back.side_information import (
    Told,
    own_side,
    side_stack,
    split,
    told_container,
    told_parameters,
    without_filling,
)
from rdbound.coding.codecs.bits_back.two_level_stack import Frame, TwoLevels
from rdbound.coding.codecs.compiled_model import CompiledModel
from rdbound.coding.codecs.container import BITS_BACK, BitstreamError, Header, read_container
from rdbound.coding.codecs.errors import OTHER_ARITHMETIC, as_image, finite, unless_lost
from rdbound.coding.codecs.fingerprint import fingerprint
from rdbound.coding.codecs.limits import MAX_PIXELS, Limits, check_image
from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.dithered_tables import ScaledBins
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.model_tables import make_tables
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import SCALES
from rdbound.models.base import LatentModel, VariationalParameters
from rdbound.objective.datum import image_datum
from rdbound.objective.levels import latent_shapes
from rdbound.ops.distributions import Gaussian, Mixture
from rdbound.utils.registry import OPTIONS

__all__ = ["BitsBackCodec", "CarryingCodec"]

_MOST_STEPS = 1000
STEPS = 300
"""Of inference, by default."""


class BitsBackCodec:
    """Compress an image and side information together, and get both back.

    Args:
      model: of images, of two levels: z of a mixture a channel, y Gaussian given z. Its
        weights are taken now.
      tables: of the checkpoint, which the fingerprint hangs on; made from the model where None.
      max_pixels: of an image with its padding; None for no limit.
      steps: of inference; 0 for what the inference network says of the reconstruction.

    Attributes:
      fingerprint, lmbda_range: as of :class:`rdbound.coding.Codec`.

    Raises ValueError for another model, or steps below 0 or above 1000.
    """

    name = "bits-back"
    code = BITS_BACK

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        model: SkipValidation[LatentModel],
        tables: SkipValidation[Tables | None] = None,
        max_pixels: int | None = MAX_PIXELS,
        steps: Annotated[int, Field(ge=0, le=_MOST_STEPS)] = STEPS,
    ):
        _check_model(model)
        self.fingerprint = fingerprint(model, make_tables(model) if tables is None else tables)
        self.lmbda_range = model.lmbda_range
        # A model of its own: what is done to the other later must not change what is decoded.
        self._model, self._steps = nnx.clone(model), steps
        self._limits = Limits.of_images(model, max_pixels)
        self._of = CompiledModel(model)
        self._boxes = ScaledBins(Gaussian.standard_mass, SCALES)

    def compress(
        self,
        image: np.ndarray,
        lmbda: float | None = None,
        side: bytes = b"",
        variational: VariationalParameters | None = None,
    ) -> Told:
        """uint8 [h, w, 3] and any bytes → :class:`Told`.

        Args:
          image: any size from 1×1 up.
          lmbda: the trade-off; the geometric middle of the model's range by default.
          side: what rides along.
          variational: refined, of the padded image and this λ; only its y is used.

        Raises ValueError for another array type, too many pixels, a λ outside the trained
        range, or a latent that is not finite.
        """
        check_image(image)
        rate, size = self._limits.lmbda(lmbda), (image.shape[0], image.shape[1])
        self._limits.check_size(size)
        x = image_datum(image, self._model.stride).x
        known = self._of.infer(x, jnp.float32(rate)) if variational is None else variational
        return self._told(size, rate, known, side)

    def decompress(self, data: bytes) -> tuple[np.ndarray, bytes]:
        """The container → (uint8 [h, w, 3], the side information).

        Raises :class:`BitstreamError` where the stream is not whole, not this model's or
        this coder's, or this machine's arithmetic is too different to read it.
        """
        header, payload = read_container(bytes(data), self.fingerprint)
        frame = self._frame(header)
        length, filled, steps = told_parameters(header, steps=_MOST_STEPS + 1)
        text, words = split(payload)
        reader = Reader(text)
        levels = TwoLevels(self._of, self._boxes, frame, reader)

        def read() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            stack = BitStack(words)
            z = levels.pop_z(stack)
            y = levels.pop_y(stack, z)
            q = levels.posterior(inferred(self._model, y, frame.z, frame.lmbda, steps))
            stack.push(q.offsets(z), q.groups, q.tables)
            return y, z, stack.original()

        y, z, original = unless_lost(read)
        side = without_filling(original, filled, length)
        if reader.crc != header.index_crc or not reader.exhausted() or side is None:
            raise BitstreamError(OTHER_ARITHMETIC)
        return as_image(header, finite(self._of.synthesize(levels.state(z, y)))), side

    def takes(self, size: tuple[int, ...]) -> int:
        """How many latents of an image of [h, w, …] are drawn from side information."""
        return int(np.prod(Frame.of(self._model, size, 1.0).z))

    def _told(
        self, size: tuple[int, int], lmbda: float, known: VariationalParameters, side: bytes
    ) -> Told:
        writer, frame = Writer(), Frame.of(self._model, size, lmbda)
        levels = TwoLevels(self._of, self._boxes, frame, writer)
        y = levels.rounded(known)
        inference = inferred(self._model, y, frame.z, frame.lmbda, self._steps)
        if not all(np.isfinite(leaf).all() for leaf in inference):
            raise ValueError("what is inferred of z is not finite: the model cannot code this")
        q = levels.placed(inference)
        drawn: list[np.ndarray] = []
        of = side_stack(
            side, len(q.groups), lambda stack: drawn.append(stack.pop(q.groups, q.tables))
        )
        levels.push_y_and_z(of.stack, q.values(drawn[-1]), y)
        levels.posterior(inference)
        parameters = {"filled": of.filled, "side": len(side), "steps": self._steps}
        header = Header(
            self.fingerprint, writer.crc, lmbda, size[0], size[1], self.code, parameters
        )
        return told_container(header, writer.finish(), of)

    def _frame(self, header: Header) -> "Frame":
        if header.coder != self.code:
            raise BitstreamError(f"written by coder {header.coder}, not by {self.name!r}")
        size = header.height, header.width
        with self._limits.met_by(header):
            return Frame.of(self._model, size, header.lmbda)


class CarryingCodec:
    """A :class:`BitsBackCodec` as a codec of images: it carries side information of its own.

    As much of a known generator as the latents can take, so that no initial bits are paid for.

    Args:
      codec: that writes and reads: this one or
        :class:`rdbound.coding.codecs.lossless.LosslessBitsBack`.
    """

    def __init__(self, codec: Any):
        self._codec = codec

    def compress(
        self,
        image: np.ndarray,
        lmbda: float | None = None,
        variational: VariationalParameters | None = None,
    ) -> bytes:
        """As :meth:`rdbound.coding.Codec.compress`; :func:`side_bytes` of it are no rate."""
        check_image(image)
        side = own_side(self._codec.takes(image.shape))
        return self._codec.compress(image, lmbda, side, variational).data

    def decompress(self, data: bytes) -> np.ndarray:
        """As :meth:`rdbound.coding.Codec.decompress`."""
        return self._codec.decompress(data)[0]


def _check_model(model: LatentModel) -> None:
    of = CompiledModel(model)
    low = jnp.float32(model.lmbda_range[0])
    shapes = latent_shapes(model, (model.stride, model.stride, 3)) if model.stride > 1 else []
    prior = of.prior(0, of.start(low)) if len(shapes) == 2 else None
    if not isinstance(prior, Mixture):
        raise ValueError(
            "the coder 'bits-back' serves codecs of images with two levels, the first with a "
            "density a channel, such as res-hyper-4-codec; the coder 'rounding' serves any codec"
        )
