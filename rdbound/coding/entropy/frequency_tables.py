"""Tables of integer frequencies, by which the entropy coders code integers.

The decoder recomputes the scales of priors in floating point, so that nothing in a stream
may depend on their last digit: a log-scale only chooses an *index* into tables
of integer frequencies, which are part of the checkpoint.

The tables of a family of scales have the scales of
:data:`rdbound.coding.entropy.scale_table.SCALES`; frequencies sum to 2^20, not the usual 2^16, and
integers beyond five standard deviations are escaped. Computed by
:mod:`rdbound.ops.reproducible`, the tables of a scale are the same on every machine.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial

import constriction
import numpy as np

from rdbound.coding.entropy.scale_table import SCALES
from rdbound.ops.distributions import TAIL, Gaussian

__all__ = [
    "COARSE",
    "TOTAL",
    "FrequencyTable",
    "Tables",
    "coarse_counts",
    "gaussian_tables",
    "pack",
    "scaled_tables",
    "symbols_within",
    "table_from_coarse",
    "table_from_mass",
    "table_from_weights",
    "unpack",
]

TOTAL = 2**20  # every table's frequencies sum to this: exact in float32

_WIDEST = 4096  # largest symbol of a table; what lies beyond is escaped


def symbols_within(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the symbols of integers in a table of −reach … reach, int32.

    An integer beyond the table has the escape symbol, 2·reach + 1.
    """
    return np.where(np.abs(values) > reach, 2 * reach + 1, values + reach).astype(np.int32)


@dataclass(frozen=True)
class FrequencyTable:
    """Frequencies of the integers −m … m, and last of the escape symbol.

    ``frequencies``: int64 [2m + 2], each at least 1, summing to :data:`TOTAL`.
    """

    frequencies: np.ndarray

    @property
    def reach(self) -> int:
        """m, the largest magnitude that needs no escape."""
        return (len(self.frequencies) - 2) // 2

    @cached_property
    def model(self) -> constriction.stream.model.Categorical:
        """The entropy model of the range coder."""
        probabilities = (self.frequencies / TOTAL).astype(np.float32)
        return constriction.stream.model.Categorical(probabilities, perfect=False)


Tables = dict[str, list[FrequencyTable]]
"""Tables by their keys: one for each scale of a family, one for each channel of another level."""


def table_from_weights(weights: np.ndarray) -> FrequencyTable:
    """Return the table with frequencies in proportion to weights, none less than 1.

    Args:
      weights: at least 0, float64 [2m + 2], the escape symbol's last.

    Raises:
      ValueError: if all weights are zero.
    """
    total = math.fsum(weights)
    if not total > 0:
        raise ValueError("a table of frequencies needs a weight that is not zero")
    return FrequencyTable(_quantize(weights / total))


def _quantize(probabilities: np.ndarray) -> np.ndarray:
    """Return positive integers near TOTAL · probabilities; the mode takes the rest of TOTAL."""
    frequencies = np.maximum(1, np.floor(probabilities * TOTAL)).astype(np.int64)
    frequencies[np.argmax(frequencies)] += TOTAL - frequencies.sum()
    return frequencies


OCTAVE, COARSE = 4, 128
"""Steps of an octave, and number of steps, of the logarithm of a count."""


def coarse_counts(counts: np.ndarray) -> np.ndarray:
    """Return counts as steps of their logarithm, 0 for a count of 0: as streams contain them."""
    steps = np.rint(OCTAVE * np.log2(np.maximum(counts, 1))) + 1
    return np.where(counts > 0, np.minimum(steps, COARSE - 1), 0).astype(np.int64)


def table_from_coarse(coarse: np.ndarray) -> FrequencyTable:
    """Return the table of coarse counts [2m + 2], the same on every machine."""
    factors = np.array([1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429])
    octave, part = np.divmod(np.maximum(coarse - 1, 0), OCTAVE)
    return table_from_weights(np.where(coarse > 0, np.ldexp(factors[part], octave), 0.0))


def table_from_mass(mass_of: Callable[[np.ndarray], np.ndarray], reach: int) -> FrequencyTable:
    """Return the table of a distribution of integers.

    Args:
      mass_of: integers, float64 [2·reach + 1] → probabilities of their unit bins.
      reach: the largest magnitude with a frequency of its own, at most 4096; the rest of the
        mass is the escape symbol's.
    """
    reach = min(_WIDEST, reach)
    mass = mass_of(np.arange(-reach, reach + 1, dtype=np.float64))
    return FrequencyTable(_quantize(np.append(mass, max(0.0, 1.0 - math.fsum(mass)))))


def scaled_tables(standard_mass: Callable) -> list[FrequencyTable]:
    """Return the tables of a family of scales, one for each of the scales ``SCALES``.

    ``standard_mass(r, sigma)``: see :class:`rdbound.ops.distributions.Prior`.
    """
    return [
        table_from_mass(partial(standard_mass, sigma=s), 1 + int(np.ceil(TAIL * s)))
        for s in SCALES.scale(np.arange(SCALES.levels))
    ]


@cache
def gaussian_tables() -> list[FrequencyTable]:
    """Return the tables of centred Gaussians, computed at the first call."""
    return scaled_tables(Gaussian.standard_mass)


def pack(tables: list[FrequencyTable]) -> tuple[np.ndarray, np.ndarray]:
    """Return all frequencies as one int32 array and the length of each table."""
    lengths = np.array([len(t.frequencies) for t in tables], np.int32)
    return np.concatenate([t.frequencies for t in tables]).astype(np.int32), lengths


def unpack(frequencies: np.ndarray, lengths: np.ndarray) -> list[FrequencyTable]:
    """Return the tables that :func:`pack` packed.

    Raises:
      ValueError: if the arrays are not integers, the lengths are odd or do not add up, a frequency
        is below 1 or the sum of a table is not :data:`TOTAL`.
    """
    if any(array.dtype.kind != "i" or array.ndim != 1 for array in (frequencies, lengths)):
        raise ValueError("a table of frequencies is not of integers")
    sizes = lengths.astype(np.int64)
    if (sizes < 2).any() or (sizes % 2).any() or sizes.sum() != len(frequencies):
        raise ValueError("the lengths of the tables of frequencies do not add up")
    parts = np.split(frequencies.astype(np.int64), np.cumsum(sizes)[:-1]) if len(sizes) else []
    if any(part.min() < 1 or part.sum() != TOTAL for part in parts):
        raise ValueError(f"a table's frequencies are not positive with the sum {TOTAL}")
    return [FrequencyTable(p) for p in parts]
