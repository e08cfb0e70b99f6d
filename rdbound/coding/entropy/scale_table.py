"""Grids of evenly spaced values, of which floats choose the nearest.

Two machines' floats differ in the last digit. The nearest value of a grid is the same for
both unless a float is near a boundary between two values; the guard list
(:mod:`rdbound.coding.entropy.guard_list`) covers these cases.

The grid of log-scales has 64, from ln 0.11 to ln 256, as is usual (CompressAI, TFC).
"""

import math
from dataclasses import dataclass

import numpy as np

from rdbound.ops.reproducible import portable_exp

__all__ = ["SCALES", "EvenGrid"]


@dataclass(frozen=True)
class EvenGrid:
    """The values low + step·i, i from 0 to levels − 1.

    Attributes:
      low: first value.
      step: distance of two neighbours, positive.
      levels: number of values.
    """

    low: float
    step: float
    levels: int

    def nearest(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indexes of the nearest values, and the distances to the nearest boundaries.

        The distance is in units of ``values`` and infinite beyond the outermost values,
        where no neighbour exists. Indexes are uint8 if the grid has at most 256 values, otherwise
        uint16.
        """
        place = (np.asarray(values, np.float64) - self.low) / self.step
        index = np.clip(np.rint(place), 0, self.levels - 1)
        distance = (0.5 - np.abs(place - index)) * self.step
        outside = (place < 0) | (place > self.levels - 1)
        dtype = np.uint8 if self.levels <= 256 else np.uint16
        return index.astype(dtype), np.where(outside, np.inf, distance)

    def across(self, value: float, index: int) -> int:
        """Return the neighbour of ``index`` across the boundary nearest to ``value``."""
        place = (value - self.low) / self.step
        return min(max(index + (1 if place > index else -1), 0), self.levels - 1)

    def value(self, index: np.ndarray | int) -> np.ndarray:
        """Return the values at ``index``, float64, the same on every machine."""
        return self.low + self.step * np.asarray(index, np.float64)

    def scale(self, index: np.ndarray | int) -> np.ndarray:
        """Return exp of the values at ``index``, float64, the same on every machine."""
        return portable_exp(self.value(index))


SCALES = EvenGrid(math.log(0.11), math.log(256.0 / 0.11) / 63, 64)
"""Grid of the log-scales of priors."""
