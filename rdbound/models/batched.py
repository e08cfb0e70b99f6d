"""Several data of one shape as one: how a codec writes a block of vectors in one stream.

A stream of its own for each vector would take more for its header than for its symbols.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rdbound.models.base import Around, Intercepted, LevelModel

__all__ = ["batched"]


def batched(model: LevelModel, count: int) -> LevelModel:
    """Return the level model of ``count`` data at once, each independent of the others.

    Args:
      model: a level model of data [n], whose posteriors and priors act on each element by
        itself (Gaussians, mixtures a channel).
      count: number of data.

    Returns:
      A level model of data [count, n]; every pytree has a leading axis.
    """
    return Intercepted(model, _mapped(count))


def _mapped(count: int) -> Around:
    """Return the function that maps each of the six methods over the data."""

    def around(name: str, level: int | None, call: Any, *arguments: Any) -> Any:
        if name == "start":
            return jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (count, *jnp.shape(leaf))), call(*arguments)
            )
        if name == "infer":
            x, *rest = arguments
            return jax.vmap(lambda x: call(x, *rest))(x)
        return jax.vmap(call)(*arguments)

    return around
