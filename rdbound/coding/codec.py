"""The codec: a datum to bytes and back, with a latent model and a coder.

    codec = Codec(checkpoint.model, checkpoint.tables)
    data = codec.compress(image, lmbda=0.0067)
    image = codec.decompress(data)

Encoder and decoder are one walk over the levels (:mod:`rdbound.walk`) whose step
writes or reads. Every level's prior is computed on both sides from the latents as
they were conveyed, so that no parameter of it is sent. What a machine's arithmetic
could break is guarded three times: tables are integers of the checkpoint, indexes
near a boundary are settled in the stream, and a checksum over all indexes turns what
is left into an error instead of a wrong image.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np

from rdbound.coding.base import Coder
from rdbound.coding.coders import CODERS, coders_of, make_coder
from rdbound.coding.compiled import CompiledSides
from rdbound.coding.container import (
    BITS_BACK,
    BitstreamError,
    Header,
    read_container,
    write_container,
)
from rdbound.coding.families import make_tables
from rdbound.coding.framed import in_frames
from rdbound.coding.limits import MAX_PIXELS, check_pixels
from rdbound.coding.range_coder import Reader, Writer, is_lost
from rdbound.coding.tables import Tables
from rdbound.datum import image_datum, padded_shape
from rdbound.fingerprint import fingerprint
from rdbound.models.base import Evidence, LatentModel, Sides, check_lmbda
from rdbound.models.blocked import Blocked
from rdbound.walk import latent_shapes, walk
from rdbound.windows import Windows, is_large

__all__ = [
    "OTHER_ARITHMETIC",
    "Codec",
    "VectorCodec",
    "as_image",
    "check_image",
    "finite",
    "unless_lost",
]

OTHER_ARITHMETIC = (
    "the stream is whole, but this machine's arithmetic differs from the encoder's by more than "
    "the guard band (the table indexes do not match); decode in float32 on a CPU"
)


class _Codec(ABC):
    """What codecs of images and of vectors share.

    Args:
      model: a latent model.
      tables: from its checkpoint; made from the model where None.
      coder: name of the coder that writes; the first that serves the model's form where None.
      max_pixels: see :data:`rdbound.coding.limits.MAX_PIXELS`; None for no limit.
      options: of the coder.

    Raises ValueError for an unknown coder or option, or a coder of models of another form.
    """

    def __init__(
        self,
        model: LatentModel,
        tables: Tables | None = None,
        coder: str | None = None,
        max_pixels: int | None = MAX_PIXELS,
        **options: Any,
    ):
        self._form = model.form
        if tables is None:
            tables = make_tables(model) if model.form == "codec" else {}
        self.tables = tables
        name = coders_of(model.form)[0] if coder is None else coder
        self.coder = make_coder(name, model.form, self.tables, **options)
        self.fingerprint = fingerprint(model, self.tables)
        self.lmbda_range = model.lmbda_range
        self.max_pixels = max_pixels
        self._model = model
        self._shapes: dict[tuple[int, int], Sequence[tuple[int, ...]]] = {}

    @abstractmethod
    def _sides(self, height: int, width: int) -> Sides:
        """The compiled sides for a datum of this size."""

    def _known_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        """:meth:`_latent_shapes`, traced once a size."""
        if (height, width) not in self._shapes:
            self._shapes[height, width] = self._latent_shapes(height, width)
        return self._shapes[height, width]

    @abstractmethod
    def _latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        """The shape of each level's latent for a datum of this size."""

    @abstractmethod
    def _padded(self, height: int, width: int) -> tuple[int, int]:
        """The size that the model sees; raises ValueError for one that it cannot take."""

    def _check_size(self, size: tuple[int, int]) -> None:
        """Raise ValueError for too large a datum, before anything of its size is allocated."""
        check_pixels(size, self._padded(*size), self.max_pixels)

    def _shapes_of(self, header: Header) -> Sequence[tuple[int, ...]]:
        """Those of the latents; BitstreamError for λ and size that this codec does not write."""
        try:
            check_lmbda(header.lmbda, self.lmbda_range)
            self._check_size((header.height, header.width))
            return self._known_shapes(header.height, header.width)
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise BitstreamError(f"not a stream to decode: {reason}") from None

    def _lmbda(self, lmbda: float | None) -> float:
        """``lmbda`` as a float32, checked; the geometric middle of the range where None."""
        low, high = self.lmbda_range
        asked = (low * high) ** 0.5 if lmbda is None else lmbda
        return check_lmbda(float(np.float32(asked)), self.lmbda_range)

    def _encode(
        self, size: tuple[int, ...], x: Any, lmbda: float, evidence: Evidence | None
    ) -> bytes:
        """A datum → the whole container."""
        height, width = size
        of, rate, writer = self._sides(height, width), jnp.float32(lmbda), Writer()
        known = of.infer(x, rate) if evidence is None else evidence

        def step(level, prior, state):
            posterior = of.posterior(level, state, known[level])
            return self.coder.write(level, posterior, prior, writer), None

        state = walk(of, rate, len(known), step).state
        self._write_rest(of, state, x, size, writer)
        header = Header(self.fingerprint, writer.crc, float(rate), height, width, self.coder.code,
                        self.coder.parameters)  # fmt: skip
        return write_container(header, writer.finish())

    def _decode(self, data: bytes) -> tuple[Header, np.ndarray]:
        """The container → (its header, the reconstruction as the model gives it)."""
        header, payload = read_container(bytes(data), self.fingerprint)
        shapes, coder = self._shapes_of(header), self._coder_of(header)
        reader = Reader(payload)

        def step(level, prior, state):
            return coder.read(level, prior, shapes[level], reader), None

        def read() -> Callable[[], np.ndarray]:
            walked = walk(of, jnp.float32(header.lmbda), len(shapes), step)
            return self._read_rest(of, walked.state, header, reader)

        of = self._sides(header.height, header.width)
        decoded = unless_lost(read)
        if reader.crc != header.index_crc or not reader.exhausted():
            raise BitstreamError(OTHER_ARITHMETIC)
        return header, decoded()

    def _write_rest(  # noqa: B027 (most have nothing to add)
        self, of: Sides, state: Any, x: Any, size: tuple[int, ...], writer: Writer
    ) -> None:
        """What follows the latents: nothing, where the reconstruction is what is decoded."""

    def _read_rest(
        self, of: Sides, state: Any, header: Header, reader: Reader
    ) -> Callable[[], np.ndarray]:
        """What makes the datum of all that was read, once it is known to be right."""
        return lambda: finite(of.synthesize(state))

    def _coder_of(self, header: Header) -> Coder:
        """The coder that a container names, whatever this codec writes with."""
        names = {coder.code: name for name, coder in CODERS.items()}
        if header.coder == BITS_BACK:
            raise BitstreamError("written by bits-back: rdbound.coding.BitsBackCodec reads it")
        if header.coder not in names:
            raise BitstreamError(f"written by coder {header.coder}, which this rdbound lacks")
        try:
            return make_coder(names[header.coder], self._form, self.tables, **header.parameters)
        except ValueError as error:
            raise BitstreamError(f"malformed header: {error}") from None


def finite(x_hat: Any) -> np.ndarray:
    """A reconstruction, of NumPy; BitstreamError where it is not finite."""
    x_hat = np.asarray(x_hat)
    if not np.isfinite(x_hat).all():
        raise BitstreamError("the model's reconstruction is not finite: its weights are broken")
    return x_hat


def check_image(image: np.ndarray) -> None:
    """Raise ValueError for what is no uint8 image [h, w, 3]."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"expected a uint8 image [h, w, 3], not {image.dtype} {image.shape}")


def as_image(header: Header, x_hat: np.ndarray) -> np.ndarray:
    """A reconstruction in [0, 1] → uint8 [h, w, 3], without its padding."""
    image = np.rint(np.clip(x_hat, 0.0, 1.0) * 255.0).astype(np.uint8)
    return image[: header.height, : header.width]


T = TypeVar("T")


def unless_lost(read: Callable[[], T]) -> T:
    """``read()``; BitstreamError where the decoder has lost the thread."""
    try:
        return read()
    except BaseException as error:
        # The payload's checksum was right: what differs is the arithmetic.
        if is_lost(error):
            raise BitstreamError(OTHER_ARITHMETIC) from None
        raise


class Codec(_Codec):
    """Compress and decompress images with one model.

    An image of any size from 1×1 up is padded by edge replication to multiples of the
    model's stride; the padding is coded with it and cut off again. One codec serves
    every size and every λ of its model: images of many sizes share programs
    (:mod:`rdbound.coding.framed`), and a large one is computed by windows
    (:mod:`rdbound.windows`).
    A decoder needs the same checkpoint, known by its fingerprint, and nothing else:
    size, λ and coder stand in the container.

    A scale of a prior chooses its table; a density a channel has its own, at
    any level, if it depends on nothing.

    Args:
      model: a latent model of images. Its weights are taken now.
      tables: from its checkpoint; made from the model where None. Tables made anew
        on another machine may differ, and with them the fingerprint: give the checkpoint's.
      coder: name of the coder that writes, in :data:`CODERS`, the first that serves the
        model's form where None; reading takes the one that the container names.
      max_pixels: of an image with its padding, to write or to read; None for no limit.
      options: of the coder.

    Attributes:
      tables: the integer tables in use.
      fingerprint: 8 bytes that streams of this model carry.
      lmbda_range: the λ that may be asked for.
      stride: of the model.
      windows: its sides for images of any size.

    Raises ValueError for an unknown coder or option, or a coder of models of another form.
    """

    def __init__(self, model: LatentModel, tables: Tables | None = None, coder: str | None = None,
                 max_pixels: int | None = MAX_PIXELS, **options: Any):  # fmt: skip
        super().__init__(model, tables, coder, max_pixels, **options)
        self.stride = model.stride
        self._compiled = CompiledSides(model)
        self.windows = Windows(model, self._compiled)

    def compress(
        self,
        image: np.ndarray,
        lmbda: float | None = None,
        evidence: Evidence | None = None,
    ) -> bytes:
        """uint8 [h, w, 3] → the whole container.

        Args:
          image: any size from 1×1 up.
          lmbda: the trade-off; the geometric middle of the model's range by default.
          evidence: refined (:mod:`rdbound.refinement`), of the padded image and of this
            λ; what the model infers by default. The decoder does not notice.

        Raises ValueError for another array type, too many pixels, a λ outside the trained
        range, or a latent that is not finite.
        """
        check_image(image)
        lmbda = self._lmbda(lmbda)
        self._check_size(image.shape[:2])
        datum = image_datum(image, self.stride)
        return self._encode(image.shape[:2], datum.x, lmbda, evidence)

    def decompress(self, data: bytes) -> np.ndarray:
        """The container → uint8 [h, w, 3].

        The symbols are exactly those written, or an error is raised. The
        synthesis from them is floating point: on another machine a pixel whose
        value falls on a rounding boundary may differ by one level. Raises
        :class:`BitstreamError` where the stream is not whole, not this model's, declares
        more than ``max_pixels``, or this machine's arithmetic is too different to read it.
        """
        header, x_hat = self._decode(data)
        return as_image(header, x_hat)

    def _sides(self, height: int, width: int) -> Sides:
        size = self._padded(height, width)
        if getattr(self._model, "framed", False) and not is_large(*size):
            return in_frames(self._model, self._compiled, size)
        return self.windows.sides(*size)

    def _latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        return latent_shapes(self._model, (*self._padded(height, width), 3))

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        return padded_shape(height, width, self.stride)


@dataclass(frozen=True)
class _InBlocks:
    """Sides of one vector → those of ``count``."""

    count: int

    def __call__(self, of: Sides) -> Sides:
        return Blocked(of, self.count)


class VectorCodec(_Codec):
    """Compress and decompress blocks of vectors, each block in one stream.

    The vectors of a block are independent data of the model, coded together
    (:class:`rdbound.models.blocked.Blocked`): the header, and what the range coder
    rounds up to at its end, are shared by all. Programs are compiled once a count.

    Args:
      model: a latent model of vectors whose posteriors and priors are elementwise.
      tables: from its checkpoint; made from the model where None.
      coder: as of :class:`Codec`.
      max_pixels: of the numbers of a block, to write or to read; None for no limit.
      options: of the coder.

    Attributes:
      tables, fingerprint, lmbda_range: as of :class:`Codec`.

    Raises ValueError for an unknown coder or option, or a coder of models of another form.
    """

    def __init__(self, model: LatentModel, tables: Tables | None = None, coder: str | None = None,
                 max_pixels: int | None = MAX_PIXELS, **options: Any):  # fmt: skip
        super().__init__(model, tables, coder, max_pixels, **options)
        self._by_count: dict[int, CompiledSides] = {}

    def compress(
        self,
        vectors: np.ndarray,
        lmbda: float | None = None,
        evidence: Evidence | None = None,
    ) -> bytes:
        """float32 [count, n] → the whole container.

        Args:
          vectors: one or more.
          lmbda: the trade-off; the geometric middle of the model's range by default.
          evidence: refined, with a leading axis; what the model infers by default.

        Raises ValueError for another shape, a λ outside the trained range, or a
        latent that is not finite.
        """
        if vectors.ndim != 2 or not vectors.size:
            raise ValueError(f"expected vectors [count, n], not an array {vectors.shape}")
        self._check_size(vectors.shape)
        x = np.asarray(vectors, np.float32)
        return self._encode(x.shape, x, self._lmbda(lmbda), evidence)

    def decompress(self, data: bytes) -> np.ndarray:
        """The container → float32 [count, n].

        The reconstruction is the model's own, neither clipped nor rounded. Raises
        :class:`BitstreamError` as :meth:`Codec.decompress`.
        """
        return self._decode(data)[1]

    def _sides(self, height: int, width: int) -> Sides:
        if height not in self._by_count:
            self._by_count[height] = CompiledSides(self._model, _InBlocks(height))
        return self._by_count[height]

    def _latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        return [(height, *shape) for shape in latent_shapes(self._model, (width,))]

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        dimension = getattr(self._model, "dimension", width)
        if width != dimension:
            raise ValueError(f"the model is of vectors [{dimension}], not [{width}]")
        return height, width
