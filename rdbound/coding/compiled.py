"""A model's six sides as compiled functions in full float32 precision, for the coders.

One function a side, not one program for encoder and one for decoder: XLA may order
the arithmetic of two programs differently, and a scale that differs in its last digit
may choose another table.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.models.base import Sides, sides

__all__ = ["CompiledSides"]


class CompiledSides:
    """The sides of one model, each compiled once for each level and shape.

    Encoder and decoder call the same programs in the same order: what one
    computes the other does, to the last bit, on the same machine.

    Args:
      model: weights are taken from it now.
      view: of its sides, in what the model sees as one datum; the sides themselves by default.
    """

    def __init__(self, model: Any, view: Callable[[Sides], Sides] = lambda s: s):
        graphdef, params = nnx.split(model)
        # A copy: what is done to the model later must not change what is decoded.
        self._params = jax.tree.map(jnp.copy, params)

        def call(side: str, params, *arguments):
            with jax.default_matmul_precision("highest"):
                return getattr(view(sides(nnx.merge(graphdef, params))), side)(*arguments)

        compiled = lambda side, **kw: jax.jit(partial(call, side), **kw)  # noqa: E731
        self._infer = compiled("infer")
        self._start = compiled("start")
        self._prior = compiled("prior", static_argnums=1)
        self._posterior = compiled("posterior", static_argnums=1)
        self._absorb = compiled("absorb", static_argnums=1)
        self._synthesize = compiled("synthesize")

    def infer(self, x: jax.Array, lmbda: Any) -> Any:
        """The evidence of each level."""
        return self._infer(self._params, x, lmbda)

    def start(self, lmbda: Any) -> Any:
        """The state before the first level."""
        return self._start(self._params, lmbda)

    def prior(self, level: int, state: Any) -> Any:
        """The prior of ``level``, of NumPy arrays."""
        return jax.tree.map(np.asarray, self._prior(self._params, level, state))

    def posterior(self, level: int, state: Any, evidence: Any) -> Any:
        """The posterior of ``level``, of NumPy arrays."""
        return jax.tree.map(np.asarray, self._posterior(self._params, level, state, evidence))

    def absorb(self, level: int, state: Any, latent: Any) -> Any:
        """The state after ``level``."""
        return self._absorb(self._params, level, state, latent)

    def synthesize(self, state: Any) -> jax.Array:
        """The reconstruction."""
        return self._synthesize(self._params, state)
