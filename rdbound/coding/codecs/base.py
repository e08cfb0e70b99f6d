"""The two parts of a codec: a kind of datum, and a way to write its latents.

A kind of datum (:class:`DatumKind`: images, lossless images, blocks of vectors) gives the array
that the model sees, the compiled model for its size, and the datum from the reconstruction. A
payload coder (:class:`PayloadCoder`: level by level, or bits-back) conveys the latents.
:class:`rdbound.coding.Codec` joins one of each and adds the container.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from rdbound.coding.codecs.container import Header
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import LevelModel, VariationalParameters

__all__ = ["DatumKind", "Decoded", "Encoded", "Payload", "PayloadCoder", "Sized"]


class Encoded(NamedTuple):
    """A file and what it holds beside the datum.

    Attributes:
      data: the whole file.
      side_bytes: bytes of side information in it, which the decoder returns and which are no
        rate: the rate is that of ``len(data) - side_bytes`` bytes.
      filled_bits: bits that bits-back drew latents with and that the side information did not
        have; they are paid for.
      drawn_bits: bits that bits-back drew latents with.
    """

    data: bytes
    side_bytes: int = 0
    filled_bits: int = 0
    drawn_bits: int = 0


class Decoded(NamedTuple):
    """A decoded datum, and the side information that was encoded with it."""

    datum: np.ndarray
    side: bytes = b""


class DatumKind(ABC):
    """A kind of datum of one model: images, lossless images, or blocks of vectors.

    Sizes are (height, width): of an image in pixels, of a block of vectors their count and
    dimension.
    """

    @abstractmethod
    def size(self, datum: np.ndarray) -> tuple[int, int]:
        """Return the size of a datum; raise ValueError for an array that is none."""

    @abstractmethod
    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that the model sees; raise ValueError for one that it cannot take."""

    @abstractmethod
    def array(self, datum: np.ndarray) -> Any:
        """Return the array that the model sees, float32."""

    @abstractmethod
    def latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        """Return the shape of each level's latent for a datum of this size."""

    @abstractmethod
    def level_model(self, height: int, width: int) -> LevelModel:
        """Return the compiled model for data of this size."""

    @abstractmethod
    def write_rest(self, model: LevelModel, state: Any, datum: np.ndarray, stream: Writer) -> None:
        """Write what follows the latents in a stream.

        Args:
          model: the compiled model.
          state: the decoder's state after the last level.
          datum: the datum that is encoded.
          stream: written to, after the latents.
        """

    @abstractmethod
    def read_rest(
        self, model: LevelModel, state: Any, size: tuple[int, int], stream: Reader
    ) -> Callable[[], np.ndarray]:
        """Read what follows the latents.

        Returns:
          A function that computes the datum, called once the stream's checksum is verified.
        """


@dataclass(frozen=True)
class Sized:
    """A model for data of one size at one λ.

    Attributes:
      kind: the kind of datum.
      size: (height, width).
      lmbda: λ, float32 scalar.
    """

    kind: DatumKind
    size: tuple[int, int]
    lmbda: jax.Array

    @cached_property
    def model(self) -> LevelModel:
        """The compiled model."""
        return self.kind.level_model(*self.size)

    @cached_property
    def shapes(self) -> Sequence[tuple[int, ...]]:
        """The shape of each level's latent."""
        return self.kind.latent_shapes(*self.size)

    def infer(self, datum: np.ndarray) -> VariationalParameters:
        """Return the variational parameters that the model infers from a datum."""
        return self.model.infer(self.kind.array(datum), self.lmbda)


class Payload(NamedTuple):
    """The part of a file behind its header, with the entries of the header that belong to it.

    Attributes:
      data: the payload.
      index_crc: CRC-32 of the table indexes, in the order of coding.
      parameters: the coder's parameters in the header, JSON values.
      side_bytes, filled_bits, drawn_bits: see :class:`Encoded`.
    """

    data: bytes
    index_crc: int
    parameters: Mapping[str, Any]
    side_bytes: int = 0
    filled_bits: int = 0
    drawn_bits: int = 0


class PayloadCoder(ABC):
    """A way to convey all latents of a datum in one payload."""

    @abstractmethod
    def encode(
        self,
        at: Sized,
        datum: np.ndarray,
        variational: VariationalParameters | None,
        side: bytes | None,
    ) -> Payload:
        """Return the payload of a datum.

        Args:
          at: the model for data of this size at this λ.
          datum: the datum.
          variational: refined variational parameters; None for those that the model infers.
          side: see :meth:`rdbound.coding.Codec.encode`.

        Raises:
          ValueError: for a latent that is not finite, or arguments that the coder cannot use.
        """

    @abstractmethod
    def decode(self, at: Sized, header: Header, payload: bytes) -> Decoded:
        """Return the datum and the side information of a payload.

        Raises:
          BitstreamError: if the payload cannot be read, or not with this machine's arithmetic.
        """
