"""The walk that writes or reads: one latent model, one coder, one container.

Encoder and decoder are one walk over the levels (:mod:`rdbound.objective.levels`) whose step
writes or reads. Every level's prior is computed on both sides from the latents as
they were conveyed, so that no parameter of it is sent. What a machine's arithmetic
could break is guarded three times: tables are integers of the checkpoint, indexes
near a boundary are settled in the stream, and a checksum over all indexes turns what
is left into an error instead of a wrong image.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from rdbound.coding.codecs.container import (
    BITS_BACK,
    BitstreamError,
    Header,
    read_container,
    write_container,
)
from rdbound.coding.codecs.errors import OTHER_ARITHMETIC, finite, unless_lost
from rdbound.coding.codecs.fingerprint import fingerprint
from rdbound.coding.codecs.limits import MAX_PIXELS, Limits
from rdbound.coding.coders.base import Coder
from rdbound.coding.coders.registry import CODERS, coders_of, make_coder
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.model_tables import make_tables
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import LatentModel, LevelModel, VariationalParameters
from rdbound.objective.levels import walk

__all__ = ["LevelCodec"]


class LevelCodec(ABC):
    """A datum to bytes and back; what codecs of images and of vectors share.

    Args:
      model: a latent model.
      tables: from its checkpoint; made from the model where None.
      coder: name of the coder that writes; the first that serves the model's form where None.
      max_pixels: see :data:`rdbound.coding.codecs.limits.MAX_PIXELS`; None for no limit.
      options: of the coder.

    Attributes: as of :class:`rdbound.coding.Codec`.

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
        self._limits = Limits(model.lmbda_range, self._padded, max_pixels)
        self._model = model
        self._shapes: dict[tuple[int, int], Sequence[tuple[int, ...]]] = {}

    @abstractmethod
    def _sides(self, height: int, width: int) -> LevelModel:
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

    def _encode(
        self, size: tuple[int, ...], x: Any, lmbda: float, variational: VariationalParameters | None
    ) -> bytes:
        """A datum → the whole container."""
        height, width = size
        of, rate, writer = self._sides(height, width), jnp.float32(lmbda), Writer()
        known = of.infer(x, rate) if variational is None else variational

        def step(level, prior, state):
            posterior = of.posterior(level, state, known[level])
            return self.coder.write(level, posterior, prior, writer), None

        state = walk(of, rate, len(known), step).state
        self._write_rest(of, state, x, size, writer)
        header = Header(
            self.fingerprint,
            writer.crc,
            float(rate),
            height,
            width,
            self.coder.code,
            self.coder.parameters,
        )
        return write_container(header, writer.finish())

    def _decode(self, data: bytes) -> tuple[Header, np.ndarray]:
        """The container → (its header, the reconstruction as the model gives it)."""
        header, payload = read_container(bytes(data), self.fingerprint)
        with self._limits.met_by(header):
            shapes = self._known_shapes(header.height, header.width)
        coder, reader = self._coder_of(header), Reader(payload)

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
        self, of: LevelModel, state: Any, x: Any, size: tuple[int, ...], writer: Writer
    ) -> None:
        """What follows the latents: nothing, where the reconstruction is what is decoded."""

    def _read_rest(
        self, of: LevelModel, state: Any, header: Header, reader: Reader
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
