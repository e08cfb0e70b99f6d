"""Blocks of vectors: many vectors in one stream, so that its header and its end are shared."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rdbound.coding.codecs.base import DatumKind
from rdbound.coding.codecs.compiled_model import compiled
from rdbound.coding.codecs.errors import finite
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import LatentModel, LevelModel
from rdbound.objective.levels import latent_shapes

__all__ = ["Vectors"]


class Vectors(DatumKind):
    """Blocks of vectors [count, n], independent data of the model that are coded together.

    Programs are compiled once for each count.

    Args:
      model: a model of vectors whose posteriors and priors act on each element by itself.
    """

    def __init__(self, model: LatentModel):
        self._model = model
        self._by_count: dict[int, LevelModel] = {}

    def size(self, datum: np.ndarray) -> tuple[int, int]:
        """Return (count, dimension); raise ValueError for another shape or an empty block."""
        if datum.ndim != 2 or not datum.size:
            raise ValueError(f"expected vectors [count, n], not an array {datum.shape}")
        return datum.shape[0], datum.shape[1]

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size itself; raise ValueError for a dimension that is not the model's."""
        dimension = getattr(self._model, "dimension", width)
        if width != dimension:
            raise ValueError(f"the model is of vectors [{dimension}], not [{width}]")
        return height, width

    def array(self, datum: np.ndarray) -> np.ndarray:
        """Return the vectors in float32."""
        return np.asarray(datum, np.float32)

    def latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        """Return the shape of each level's latents, the count first."""
        return [(height, *shape) for shape in latent_shapes(self._model, (width,))]

    def level_model(self, height: int, width: int) -> LevelModel:
        """Return the compiled model of ``height`` vectors."""
        if height not in self._by_count:
            self._by_count[height] = compiled(self._model, height)
        return self._by_count[height]

    def write_rest(self, model: LevelModel, state: Any, datum: np.ndarray, stream: Writer) -> None:
        """Write nothing: the latents determine the reconstruction."""

    def read_rest(
        self, model: LevelModel, state: Any, size: tuple[int, int], stream: Reader
    ) -> Callable[[], np.ndarray]:
        """Return the function that synthesizes the vectors, neither clipped nor rounded."""
        return lambda: finite(model.synthesize(state))
