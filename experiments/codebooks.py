"""Scalar quantizers fitted to samples: what a latent was quantized by before code points.

Three, each with the frequencies of its indexes (Yang, Bamler & Mandt 2020, section 5; Chou,
Lookabaugh & Gray 1989): a uniform grid; k-means (Lloyd), whose levels are many where samples are
and cost alike; and entropy-constrained scalar quantization, which trades the squared error
against the length of the code by a multiplier.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable, table_from_weights

__all__ = ["Codebook", "constrained_codebook", "grid_codebook", "lloyd_codebook"]

_ROUNDS = 200
_CLOSE = 1e-7  # of what is minimized, from round to round
_ASSUMED = 0.1  # of a level that samples never took, in samples
_MOST = 4095


@dataclass(frozen=True)
class Codebook:
    """Levels with the lengths of their codes.

    Attributes:
      levels: where a value may be put, rising, float64 [K].
      weights: how often each is taken, as far as that is known, positive [K].
      multiplier: squared error that a bit is worth to the encoder; 0 takes the nearest level.
    """

    levels: np.ndarray
    weights: np.ndarray
    multiplier: float = 0.0

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of the codes in bits, −log₂ of their share, [K]."""
        return -np.log2(self.weights / self.weights.sum())

    def indexes(self, values: np.ndarray) -> np.ndarray:
        """The level that each value [n] is put on: the least of error² + multiplier·length."""
        taken, borders = self._cells
        return taken[np.searchsorted(borders, values)]

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """(levels that some value is put on, as indexes; the borders between them).

        Less the value's own square, costs are straight lines in the value, flatter level by
        level: each level is the least of them on one interval, or nowhere.
        """
        offset = self.levels**2 + self.multiplier * self.lengths
        taken: list[int] = []
        borders: list[float] = []
        for k in range(len(self.levels)):
            while taken:
                j = taken[-1]
                border = 0.5 * (offset[k] - offset[j]) / (self.levels[k] - self.levels[j])
                if not borders or border > borders[-1]:
                    borders.append(border)
                    break
                taken.pop()
                borders.pop()
            taken.append(k)
        return np.array(taken), np.array(borders)

    @cached_property
    def table(self) -> FrequencyTable:
        """Of the indexes less K // 2, as symbols about zero."""
        half = len(self.levels) // 2
        weights = np.zeros(2 * half + 2)
        weights[: len(self.levels)] = self.weights
        return table_from_weights(weights)

    def symbols(self, indexes: np.ndarray) -> np.ndarray:
        """What the table counts, int32."""
        return (indexes - len(self.levels) // 2).astype(np.int32)

    def values(self, symbols: np.ndarray) -> np.ndarray:
        """The levels of symbols; raises ValueError for one that there is not."""
        index = symbols.astype(np.int64) + len(self.levels) // 2
        if ((index < 0) | (index >= len(self.levels))).any():
            raise ValueError("a symbol without a level")
        return self.levels[index]


def grid_codebook(samples: np.ndarray, step: float) -> Codebook:
    """Multiples of ``step`` as far as the samples [n] go, and two more on either side.

    Raises ValueError for so many that no table has them.
    """
    low, high = (int(np.rint(v / step)) for v in (samples.min(), samples.max()))
    if high - low > _MOST - 5:
        raise ValueError(f"a grid of step {step:g} has {high - low} levels; expected up to {_MOST}")
    levels = step * np.arange(low - 2, high + 3)
    index = np.rint(samples / step).astype(np.int64) - (low - 2)
    return Codebook(levels, np.bincount(index, minlength=len(levels)) + _ASSUMED)


def lloyd_codebook(samples: np.ndarray, count: int) -> Codebook:
    """K-means in one dimension, of ``count`` levels or as many as there are different samples."""
    first = np.unique(np.quantile(samples, (np.arange(count) + 0.5) / count))
    return _alternated(samples, first, 0.0)


def constrained_codebook(samples: np.ndarray, multiplier: float, count: int = 65) -> Codebook:
    """Entropy-constrained scalar quantization by alternation.

    Begins with ``count`` even levels; one that nobody takes is dropped, so that what is left
    depends on the multiplier.

    Args:
      samples: what is quantized, [n].
      multiplier: squared error that a bit is worth, positive.
      count: of the levels at first.
    """
    first = np.linspace(samples.min(), samples.max(), count)
    found = _alternated(samples, np.unique(first), multiplier)
    return Codebook(found.levels, found.weights, multiplier)


def _alternated(samples: np.ndarray, levels: np.ndarray, multiplier: float) -> Codebook:
    """Levels, weights and what is put on them in turn, until nothing is gained."""
    weights, before = np.ones(len(levels)), np.inf
    for _ in range(_ROUNDS):
        book = Codebook(levels, weights, multiplier)
        index = book.indexes(samples)
        counts = np.bincount(index, minlength=len(levels))
        taken = counts > 0
        sums = np.bincount(index, weights=samples, minlength=len(levels))
        now = np.mean((samples - levels[index]) ** 2 + multiplier * book.lengths[index])
        levels, weights = sums[taken] / counts[taken], counts[taken].astype(np.float64)
        if before - now < _CLOSE * now:
            break
        before = now
    return Codebook(levels, weights)
