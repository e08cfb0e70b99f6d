"""Several data of one shape as one: how a codec writes a block of vectors in one stream."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rdbound.models.base import LevelModel, VariationalParameters

__all__ = ["Blocked"]


@dataclass(frozen=True)
class Blocked:
    """The sides of a model of [n] as those of one of [count, n]: every side maps over the block.

    For posteriors and priors whose methods are elementwise (Gaussians, mixtures a channel).

    A codec of vectors needs it: a stream of its own for each vector would take
    more for its header than for its symbols.
    """

    model: LevelModel
    count: int

    def infer(self, x: jax.Array, lmbda: jax.Array) -> VariationalParameters:
        """[count, n] → variational parameters with a leading axis."""
        return jax.vmap(lambda x: self.model.infer(x, lmbda))(x)

    def start(self, lmbda: jax.Array) -> Any:
        """The state of each."""
        wide = lambda leaf: jnp.broadcast_to(leaf, (self.count, *jnp.shape(leaf)))  # noqa: E731
        return jax.tree.map(wide, self.model.start(lmbda))

    def prior(self, level: int, state: Any) -> Any:
        """The prior of each."""
        return jax.vmap(lambda s: self.model.prior(level, s))(state)

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        """The posterior of each."""
        return jax.vmap(lambda s, e: self.model.posterior(level, s, e))(state, variational)

    def absorb(self, level: int, state: Any, latent: jax.Array) -> Any:
        """The state of each."""
        return jax.vmap(lambda s, z: self.model.absorb(level, s, z))(state, latent)

    def synthesize(self, state: Any) -> jax.Array:
        """[count, n]."""
        return jax.vmap(self.model.synthesize)(state)
