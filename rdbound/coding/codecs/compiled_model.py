"""A level model whose six methods are compiled, in full float32 precision.

Each method is a program of its own, and encoder and decoder run the same programs: XLA may order
the arithmetic of two programs differently, and a scale that differs in its last digit may choose
another frequency table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.models.base import Intercepted, LevelModel, level_model, with_extent
from rdbound.models.batched import batched
from rdbound.utils.compilation import compiled_call

__all__ = ["compiled"]


@dataclass(frozen=True)
class _Method:
    """One method as a function of weights and arguments; equal for all models built alike."""

    graphdef: nnx.GraphDef
    count: int | None
    name: str
    level: int | None

    def __call__(self, params: Any, *arguments: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            model = level_model(nnx.merge(self.graphdef, params))
            method = getattr(model if self.count is None else batched(model, self.count), self.name)
            if self.name in ("infer", "start"):
                return with_extent(method, *arguments)
            return method(*arguments) if self.level is None else method(self.level, *arguments)


def compiled(model: Any, count: int | None = None) -> LevelModel:
    """Return a level model whose methods are compiled, once for each level and shape.

    Encoder and decoder call the same programs in the same order: on one machine their results
    are equal to the last bit. Models that are built alike share programs.

    Args:
      model: a latent model. Its weights are copied: a later change of the model does not change
        what is decoded.
      count: number of data that are computed at once (:func:`rdbound.models.batched.batched`);
        None for one datum without a leading axis.

    Returns:
      A level model; its priors and posteriors hold NumPy arrays.
    """
    graphdef, params = nnx.split(model)
    params = jax.tree.map(jnp.copy, params)

    def around(name: str, level: int | None, call: Callable[..., Any], *arguments: Any) -> Any:
        found = compiled_call(_Method(graphdef, count, name, level), params, *arguments)
        return jax.tree.map(np.asarray, found) if name in ("prior", "posterior") else found

    return Intercepted(level_model(model), around)
