"""Samples of the prior that encoder and decoder share: standard normal, any of them by its place.

Threefry 2×32 (Salmon et al. 2011) turns a key and a counter into 64 bits, in integer
arithmetic, wherever JAX runs; of each 16 one normal variate is looked up. So the decoder
draws what was chosen, and not what was not.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry2x32_p
from scipy import stats

__all__ = ["LARGEST_NORMAL", "PER_WORD", "level_key", "normals"]

PER_WORD = 4
"""Normal variates of one counter: how many there are at a place is a multiple of it."""

LARGEST_NORMAL = 4.33
"""No variate is larger."""

Key = tuple[jax.Array, jax.Array]


def level_key(seed: int, level: int) -> Key:
    """The key of a level's samples: two uint32."""
    low, high = (jnp.asarray(x, jnp.uint32) for x in (seed & 0xFFFFFFFF, seed >> 32))
    return _threefry((low, high), jnp.uint32(level), jnp.uint32(0))


def normals(key: Key, block: jax.Array, step: jax.Array, index: jax.Array, size: int) -> jax.Array:
    """The samples at some places, float32 [..., size].

    Their squares are 1 − 2e-5 on average; the largest is 4.3.

    Args:
      key: of :func:`level_key`.
      block: number of the block, uint32 [...], broadcast against the two others.
      step: of the block.
      index: of the sample.
      size: of each sample, a multiple of :data:`PER_WORD`.
    """
    place = _threefry(key, block, step)
    low, high = (jnp.broadcast_to(x, index.shape)[..., None] for x in place)
    words = _threefry((low, high), index[..., None], jnp.arange(size // PER_WORD, dtype="uint32"))
    halves = [half for word in words for half in (word >> 16, word & jnp.uint32(0xFFFF))]
    numbers = jnp.stack(halves, axis=-1).reshape(*index.shape, size)
    return jnp.asarray(_quantiles())[numbers]


def _threefry(key: Key, first: jax.Array, second: jax.Array) -> Key:
    arrays = jnp.broadcast_arrays(*key, *(jnp.asarray(x, jnp.uint32) for x in (first, second)))
    first, second = threefry2x32_p.bind(*arrays)
    return first, second


@cache
def _quantiles() -> np.ndarray:
    """The middle quantiles of the standard normal, float32 [2^16]."""
    count = 1 << 16
    return stats.norm.ppf((np.arange(count) + 0.5) / count).astype(np.float32)
