"""Randomness that encoder and decoder share: integers that are the same on every machine.

A coder that needs it is a :class:`SeededCoder`. Philox 4×64 (Salmon et al. 2011) is a
counter-based generator: a key and a place give the number, in integer arithmetic.
"""

from typing import Annotated, Any

import numpy as np
from pydantic import Field, SkipValidation, validate_call

from rdbound.coding.coders.base import Coder
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.utils.registry import OPTIONS

__all__ = ["DITHERS", "SeededCoder", "dither", "shared_integers"]

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


class SeededCoder(Coder):
    """A coder whose two sides draw the same numbers, from a seed that stands in the stream.

    Args:
      tables: see :class:`rdbound.coding.coders.base.Coder`.
      seed: from 0 to 2^63 − 1. Two data coded with one seed have the same randomness.

    Raises ValueError for a seed out of range.
    """

    @validate_call(config=OPTIONS)
    def __init__(
        self, tables: SkipValidation[Tables], seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    ):
        super().__init__(tables)
        self.seed = seed

    @property
    def parameters(self) -> dict[str, Any]:
        """The seed, where it is not 0."""
        return {"seed": self.seed} if self.seed else {}
