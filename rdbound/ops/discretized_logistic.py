"""A distribution of 8-bit RGB pixels, as the decoder of a lossless model returns it.

The discretized logistic mixture of PixelCNN++ (Salimans et al. 2017, arXiv 1701.05517, §2.1 and
§2.2) with one component: the mean of green depends on red, that of blue on both, linearly in
their distances from their own means.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rdbound.ops.gaussian import LN2

__all__ = ["COLOURS", "LOG_SCALES", "PixelDistribution"]

COLOURS = 3
LOG_SCALES = (-3.5, 4.5)
"""The least and the largest log-scale, in levels: a scale of 0.03 makes a level certain."""


class PixelDistribution(NamedTuple):
    """Levels 0 to 255 of red, green and blue, a logistic each; all arrays are [H, W, 3].

    The level k has the probability of the unit interval around it, 0 and 255 that of the tail
    beyond too.

    Attributes:
      mu: mean of each colour by itself, in levels.
      log_scale: log-scale of each colour, kept within :data:`LOG_SCALES`.
      lean: coefficients of green on red, blue on red, blue on green.
    """

    mu: jax.Array
    log_scale: jax.Array
    lean: jax.Array

    def mean_of(
        self, colour: int, levels: Float[Array | np.ndarray, "H W 3"]
    ) -> Float[Array | np.ndarray, "H W"]:
        """Return the mean of a colour given those before it, [H, W], of NumPy or JAX arrays.

        Args:
          colour: 0 to 2.
          levels: [H, W, 3]; only colours before ``colour`` are read.
        """
        surprise = levels - self.mu
        first = [(), ((0, 0),), ((0, 1), (1, 2))][colour]
        return self.mu[..., colour] + sum(
            self.lean[..., k] * surprise[..., before] for before, k in first
        )

    def log_scale_of(self, colour: int) -> Float[Array, "H W"]:
        """Return the log-scale of a colour within its limits, [H, W]."""
        return jnp.clip(self.log_scale[..., colour], *LOG_SCALES)

    def bits(self, levels: Float[Array | np.ndarray, "H W 3"]) -> Float[Array, "H W 3"]:
        """Return −log₂ of the probability of levels 0 to 255."""
        levels = jnp.asarray(levels)
        parts = [
            _log_mass(levels[..., c], jnp.asarray(self.mean_of(c, levels)), self.log_scale_of(c))
            for c in range(COLOURS)
        ]
        return -jnp.stack(parts, axis=-1) / LN2


def _log_mass(level: jax.Array, mean: jax.Array, log_scale: jax.Array) -> jax.Array:
    """Return ln of the logistic probability of level ± ½, of the whole tail at the two ends.

    F(b) − F(a) = F(b)·F(−a)·(1 − e^(a−b)) for the logistic function F: no difference of
    probabilities is formed.
    """
    inverse = jnp.exp(-log_scale)
    above, below = ((level - mean + half) * inverse for half in (0.5, -0.5))
    upper = jnp.where(level >= 255.0, 0.0, jax.nn.log_sigmoid(above))
    lower = jnp.where(level <= 0.0, 0.0, jax.nn.log_sigmoid(-below))
    inside = (level > 0.0) & (level < 255.0)
    return upper + lower + jnp.where(inside, jnp.log(-jnp.expm1(-inverse)), 0.0)
