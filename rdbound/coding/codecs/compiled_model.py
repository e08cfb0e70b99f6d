"""A model's six sides as compiled functions in full float32 precision, for the coders.

One function a side, not one program for encoder and one for decoder: XLA may order
the arithmetic of two programs differently, and a scale that differs in its last digit
may choose another table.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.models.base import LevelModel, level_model, with_extent
from rdbound.ops.extent_mask import Extent
from rdbound.utils.compilation import run

__all__ = ["CompiledModel", "same"]


def same(of: LevelModel) -> LevelModel:
    """The sides themselves."""
    return of


@dataclass(frozen=True)
class _Side:
    """One side, a function of weights and arguments; equal to that of any model built alike."""

    graphdef: nnx.GraphDef
    view: Callable[[LevelModel], LevelModel]
    name: str
    level: tuple[int, ...] = ()

    def __call__(self, params: Any, *arguments: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            call = getattr(self.view(level_model(nnx.merge(self.graphdef, params))), self.name)
            if self.name in ("infer", "start"):
                return with_extent(call, *arguments)
            return call(*self.level, *arguments)


class CompiledModel:
    """The sides of one model, each compiled once for each level and shape.

    Encoder and decoder call the same programs in the same order: what one
    computes the other does, to the last bit, on the same machine.

    Args:
      model: weights are taken from it now.
      view: of its sides, in what the model sees as one datum; the sides themselves by
        default. Hashable: two that are equal do the same.
    """

    def __init__(self, model: Any, view: Callable[[LevelModel], LevelModel] = same):
        self._graphdef, params = nnx.split(model)
        self._view = view
        self._extent: Extent | None = None
        # A copy: what is done to the model later must not change what is decoded.
        self._params = jax.tree.map(jnp.copy, params)

    def within(self, extent: Extent) -> "CompiledModel":
        """The same sides for images of this extent in their arrays; programs are shared."""
        other = copy(self)
        other._extent = extent
        return other

    def _call(self, side: str, *arguments: Any, level: tuple[int, ...] = ()) -> Any:
        program = _Side(self._graphdef, self._view, side, level)
        return run(program, self._params, *arguments)

    def infer(self, x: jax.Array, lmbda: Any) -> Any:
        """The variational parameters of each level."""
        return self._call("infer", x, lmbda, self._extent)

    def start(self, lmbda: Any) -> Any:
        """The state before the first level."""
        return self._call("start", lmbda, self._extent)

    def prior(self, level: int, state: Any) -> Any:
        """The prior of ``level``, of NumPy arrays."""
        return jax.tree.map(np.asarray, self._call("prior", state, level=(level,)))

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        """The posterior of ``level``, of NumPy arrays."""
        return jax.tree.map(np.asarray, self._call("posterior", state, variational, level=(level,)))

    def absorb(self, level: int, state: Any, latent: Any) -> Any:
        """The state after ``level``."""
        return self._call("absorb", state, latent, level=(level,))

    def synthesize(self, state: Any) -> jax.Array:
        """The reconstruction."""
        return self._call("synthesize", state)
