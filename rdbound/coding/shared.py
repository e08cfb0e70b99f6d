"""Randomness that encoder and decoder share: integers that are the same on every machine.

Philox 4×64 (Salmon et al. 2011), a counter-based generator: a key and a place give the
number, in integer arithmetic.
"""

import numpy as np

__all__ = ["DITHERS", "dither", "shared_integers"]

DITHERS = 2**16
"""How many values a dither has: evenly spaced, symmetric, none of them zero or ½."""


def shared_integers(seed: int, level: int, count: int) -> np.ndarray:
    """uint64 [count], independent and uniform, of a seed and a level (below 2^64 each)."""
    key = np.array([seed, level], np.uint64)
    return np.random.Philox(key=key).random_raw(count)


def dither(numbers: np.ndarray) -> np.ndarray:
    """Shared integers as dithers in (−½, ½), float64, of their highest 16 bits."""
    high = (np.asarray(numbers, np.uint64) >> np.uint64(48)).astype(np.float64)
    return (high + 0.5) / DITHERS - 0.5
