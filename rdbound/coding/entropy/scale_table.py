"""Evenly spaced values, of which a float chooses one: what a table may depend on.

Two machines' floats differ in the last digit. The nearest value of a grid is the same for
both but near a boundary between two, which is what the guard list is for
(:mod:`rdbound.coding.entropy.guard_list`).

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
      low: the first.
      step: between two neighbours, positive.
      levels: how many.
    """

    low: float
    step: float
    levels: int

    def nearest(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(index of the nearest value, distance to the nearest boundary), of any shape.

        The distance is in units of ``values`` and infinite beyond the outermost values,
        where no neighbour exists. Indexes are uint8 where that is enough, else uint16.
        """
        place = (np.asarray(values, np.float64) - self.low) / self.step
        index = np.clip(np.rint(place), 0, self.levels - 1)
        distance = (0.5 - np.abs(place - index)) * self.step
        outside = (place < 0) | (place > self.levels - 1)
        dtype = np.uint8 if self.levels <= 256 else np.uint16
        return index.astype(dtype), np.where(outside, np.inf, distance)

    def across(self, value: float, index: int) -> int:
        """The neighbour of ``index`` on the other side of the boundary nearest to ``value``."""
        place = (value - self.low) / self.step
        return min(max(index + (1 if place > index else -1), 0), self.levels - 1)

    def value(self, index: np.ndarray | int) -> np.ndarray:
        """The values at ``index``, float64, the same on every machine."""
        return self.low + self.step * np.asarray(index, np.float64)

    def scale(self, index: np.ndarray | int) -> np.ndarray:
        """The scales at ``index`` of a grid of log-scales, float64, the same on every machine."""
        return portable_exp(self.value(index))


SCALES = EvenGrid(math.log(0.11), math.log(256.0 / 0.11) / 63, 64)
"""Of the log-scales of priors."""
