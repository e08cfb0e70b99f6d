"""The codec of vectors: a block of them in one stream, so that its ends cost little a vector."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rdbound.coding.codecs.base import LevelCodec
from rdbound.coding.codecs.compiled_model import CompiledModel
from rdbound.models.base import LevelModel, VariationalParameters
from rdbound.models.batched import batched
from rdbound.objective.levels import latent_shapes

__all__ = ["VectorCodec"]


@dataclass(frozen=True)
class _InBlocks:
    """Sides of one vector → those of ``count``."""

    count: int

    def __call__(self, of: LevelModel) -> LevelModel:
        return batched(of, self.count)


class VectorCodec(LevelCodec):
    """Compress and decompress blocks of vectors, each block in one stream.

    The vectors of a block are independent data of the model, coded together
    (:func:`rdbound.models.batched.batched`): the header, and what the range coder
    rounds up to at its end, are shared by all. Programs are compiled once a count.

    Args:
      model: a latent model of vectors whose posteriors and priors are elementwise.
      tables: from its checkpoint; made from the model where None.
      coder: as of :class:`rdbound.coding.Codec`.
      max_pixels: of the numbers of a block, to write or to read; None for no limit.
      options: of the coder.

    Attributes:
      tables, fingerprint, lmbda_range: as of :class:`rdbound.coding.Codec`.

    Raises ValueError for an unknown coder or option, or a coder of models of another form.
    """

    @cached_property
    def _by_count(self) -> dict[int, CompiledModel]:
        return {}

    def compress(
        self,
        vectors: np.ndarray,
        lmbda: float | None = None,
        variational: VariationalParameters | None = None,
    ) -> bytes:
        """float32 [count, n] → the whole container.

        Args:
          vectors: one or more.
          lmbda: the trade-off; the geometric middle of the model's range by default.
          variational: refined, with a leading axis; what the model infers by default.

        Raises ValueError for another shape, a λ outside the trained range, or a
        latent that is not finite.
        """
        if vectors.ndim != 2 or not vectors.size:
            raise ValueError(f"expected vectors [count, n], not an array {vectors.shape}")
        self._limits.check_size(vectors.shape)
        x = np.asarray(vectors, np.float32)
        return self._encode(x.shape, x, self._limits.lmbda(lmbda), variational)

    def decompress(self, data: bytes) -> np.ndarray:
        """The container → float32 [count, n].

        The reconstruction is the model's own, neither clipped nor rounded. Raises
        :class:`BitstreamError` as :meth:`rdbound.coding.Codec.decompress`.
        """
        return self._decode(data)[1]

    def _sides(self, height: int, width: int) -> LevelModel:
        if height not in self._by_count:
            self._by_count[height] = CompiledModel(self._model, _InBlocks(height))
        return self._by_count[height]

    def _latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        return [(height, *shape) for shape in latent_shapes(self._model, (width,))]

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        dimension = getattr(self._model, "dimension", width)
        if width != dimension:
            raise ValueError(f"the model is of vectors [{dimension}], not [{width}]")
        return height, width
