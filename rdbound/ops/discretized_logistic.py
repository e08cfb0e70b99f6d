"""A distribution of 8-bit RGB pixels: what a decoder says that is to reproduce every level.

The discretized logistic mixture of PixelCNN++ (Salimans et al. 2017, arXiv 1701.05517, §2.1 and
§2.2) with one component: green's mean leans on red, blue's on both, as far as they are from
what was expected of them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rdbound.ops.gaussian import LN2

__all__ = ["COLOURS", "LOG_SCALES", "PixelDistribution"]

COLOURS = 3
LOG_SCALES = (-3.5, 4.5)
"""The least and the largest log-scale, in levels: a scale of 0.03 makes a level certain."""


class PixelDistribution(NamedTuple):
    """Levels 0 to 255 of red, green and blue, a logistic each; all are [H, W, 3].

    The level k has the mass of the unit interval around it, 0 and 255 that of what lies beyond
    too.

    Attributes:
      mu: of each colour by itself, in levels.
      log_scale: of each, kept within :data:`LOG_SCALES`.
      lean: green's on red, blue's on red, blue's on green.
    """

    mu: jax.Array
    log_scale: jax.Array
    lean: jax.Array

    def mean_of(self, colour: int, levels: jax.Array) -> jax.Array:
        """The mean of a colour once those before it are known, [H, W].

        Args:
          colour: 0 to 2.
          levels: [H, W, 3]; only colours before ``colour`` are read.
        """
        surprise = levels - self.mu
        first = [(), ((0, 0),), ((0, 1), (1, 2))][colour]
        return self.mu[..., colour] + sum(
            self.lean[..., k] * surprise[..., before] for before, k in first
        )

    def log_scale_of(self, colour: int) -> jax.Array:
        """The log-scale of a colour as it is charged for, [H, W]."""
        return jnp.clip(self.log_scale[..., colour], *LOG_SCALES)

    def bits(self, levels: jax.Array) -> jax.Array:
        """−log₂ of the probability of integers 0 to 255 in float32, [H, W, 3]."""
        parts = [
            _log_mass(levels[..., c], self.mean_of(c, levels), self.log_scale_of(c))
            for c in range(COLOURS)
        ]
        return -jnp.stack(parts, axis=-1) / LN2


def _log_mass(level: jax.Array, mean: jax.Array, log_scale: jax.Array) -> jax.Array:
    """Ln of the logistic mass between level ± ½, of the whole tail at the two ends.

    F(b) − F(a) = F(b)·F(−a)·(1 − e^(a−b)) for the logistic function F: no difference of
    probabilities is formed.
    """
    inverse = jnp.exp(-log_scale)
    above, below = ((level - mean + half) * inverse for half in (0.5, -0.5))
    upper = jnp.where(level >= 255.0, 0.0, jax.nn.log_sigmoid(above))
    lower = jnp.where(level <= 0.0, 0.0, jax.nn.log_sigmoid(-below))
    inside = (level > 0.0) & (level < 255.0)
    return upper + lower + jnp.where(inside, jnp.log(-jnp.expm1(-inverse)), 0.0)
