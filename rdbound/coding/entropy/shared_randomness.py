"""Randomness that encoder and decoder share: integers and normal variates, the same everywhere.

Both generators are counter-based (Salmon et al. 2011) and use integer arithmetic only: a key and
a counter give the number. :func:`shared_integers` draws all integers of a level at once, with
NumPy's Philox 4×64. :func:`shared_normals` draws single samples within a compiled search, with
Threefry 2×32; the two stay apart because streams have been written with both.
"""

from functools import cache
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

__all__ = [
    "DITHERS",
    "LARGEST_NORMAL",
    "PER_WORD",
    "Key",
    "dither",
    "level_key",
    "shared_integers",
    "shared_normals",
    "threefry",
]

DITHERS = 2**16
"""Number of values of a dither: evenly spaced, symmetric, none of them zero or ½."""

PER_WORD = 4
"""Normal variates of one counter: the size of a sample is a multiple of it."""

LARGEST_NORMAL = 4.33
"""Upper limit of the absolute value of :func:`shared_normals`."""

Key: TypeAlias = tuple[jax.Array, jax.Array]
"""Key of Threefry 2×32: two uint32."""

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of Threefry 2×32, Salmon et al. 2011, table 2
_PARITY = 0x1BD11BDA


def shared_integers(seed: int, level: int, count: int) -> np.ndarray:
    """Return independent uniform uint64 [count] of a seed and a level, each below 2^64."""
    key = np.array([seed, level], np.uint64)
    return np.random.Philox(key=key).random_raw(count)


def dither(numbers: np.ndarray) -> np.ndarray:
    """Return dithers in (−½, ½), float64, made from the highest 16 bits of shared integers."""
    high = (np.asarray(numbers, np.uint64) >> np.uint64(48)).astype(np.float64)
    return (high + 0.5) / DITHERS - 0.5


def threefry(key: Key, counter: Key) -> Key:
    """Return the block of Threefry 2×32 with 20 rounds for a key and a counter.

    Args:
      key: two uint32 arrays.
      counter: two uint32 arrays that broadcast against the key.
    """
    k0, k1 = key
    schedule = (k0, k1, k0 ^ k1 ^ jnp.uint32(_PARITY))
    x0, x1 = counter[0] + k0, counter[1] + k1
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            x0 = x0 + x1
            x1 = (x1 << rotation) | (x1 >> (32 - rotation))
            x1 = x0 ^ x1
        x0 = x0 + schedule[(block + 1) % 3]
        x1 = x1 + schedule[(block + 2) % 3] + jnp.uint32(block + 1)
    return x0, x1


def level_key(seed: int, level: int) -> Key:
    """Return the key of the normal samples of a level, of a seed below 2^64."""
    low, high = (jnp.asarray(x, jnp.uint32) for x in (seed & 0xFFFFFFFF, seed >> 32))
    return threefry((low, high), (jnp.uint32(level), jnp.uint32(0)))


def shared_normals(
    key: Key, block: jax.Array, step: jax.Array, index: jax.Array, size: int
) -> jax.Array:
    """Return samples of the standard normal distribution by their places.

    Of each 16 bits one variate is looked up, so that the decoder draws only the samples that
    the encoder chose. Their mean square is 1 − 2e-5.

    Args:
      key: key of :func:`level_key`.
      block: numbers of blocks, uint32 [...], broadcast against the two others.
      step: steps of the blocks.
      index: indexes of the samples.
      size: variates of each sample, a multiple of :data:`PER_WORD`.

    Returns:
      Samples, float32 [..., size].
    """
    place = threefry(key, (jnp.asarray(block, jnp.uint32), jnp.asarray(step, jnp.uint32)))
    low, high = (jnp.broadcast_to(x, index.shape)[..., None] for x in place)
    words = jnp.arange(size // PER_WORD, dtype="uint32")
    pair = threefry((low, high), (index[..., None], words))
    halves = [half for word in pair for half in (word >> 16, word & jnp.uint32(0xFFFF))]
    numbers = jnp.stack(halves, axis=-1).reshape(*index.shape, size)
    return jnp.asarray(_quantiles())[numbers]


@cache
def _quantiles() -> np.ndarray:
    """Return the middle quantiles of 2^16 equal parts of the standard normal, float32 [2^16]."""
    count = 1 << 16
    return stats.norm.ppf((np.arange(count) + 0.5) / count).astype(np.float32)
