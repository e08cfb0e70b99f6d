"""Code points written and read through tables of frequencies.

Their numbers are those of :mod:`rdbound.ops.code_points`; points of six to ten bits are
followed by their place in the interval, longer ones are escaped.
"""

import numpy as np

from rdbound.coding.entropy.frequency_tables import TOTAL, FrequencyTable
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.ops.code_points import (
    HALF,
    MOST_BITS,
    REACH,
    SHARED_BITS,
    SINGLE_BITS,
    CodePoints,
    code_bits,
    numbers_of,
)

__all__ = ["costs_of", "lengths_of", "read_points", "write_points"]


def costs_of(tables: list[FrequencyTable]) -> np.ndarray:
    """Return −log₂ of the frequencies of tables of equal length, float64 [tables, symbols]."""
    return np.log2(TOTAL / np.array([table.frequencies for table in tables], np.float64))


def lengths_of(points: CodePoints, groups: np.ndarray, tables: list[FrequencyTable]) -> np.ndarray:
    """Return the bits that :func:`write_points` takes for each point, float64 [n]."""
    return np.asarray(code_bits(points, costs_of(tables), groups))


def write_points(
    stream: Writer, points: CodePoints, groups: np.ndarray, tables: list[FrequencyTable]
) -> None:
    """Write points [n], each through the table whose index is in ``groups`` [n]."""
    number, within = map(np.asarray, numbers_of(points))
    stream.symbols(number.astype(np.int32), groups, tables)
    for bits in range(SINGLE_BITS + 2, SHARED_BITS + 1):
        stream.integers(within[points.bits == bits], 1 << (bits - SINGLE_BITS - 1))


def read_points(stream: Reader, groups: np.ndarray, tables: list[FrequencyTable]) -> CodePoints:
    """Return the points that :func:`write_points` wrote, [n].

    Raises:
      UnreadableError: if a point is longer than any writer's.
    """
    number = stream.symbols(groups, tables).astype(np.int64)
    m = np.abs(number)
    bits, first = _bits_of(m)
    if (bits > MOST_BITS).any():
        raise UnreadableError(f"a code point of more than {MOST_BITS} bits")
    a = np.where(m == 0, 1, 2 * (m - first) + 1)
    for length in range(SINGLE_BITS + 1, SHARED_BITS + 1):
        here = bits == length
        width = length - SINGLE_BITS
        within = stream.integers(int(here.sum()), 1 << (width - 1))
        a[here] = ((m[here] - first[here]) << width) + 2 * within + 1
    return CodePoints(bits, np.where(number > 0, (1 << bits) - a, a))


def _bits_of(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of the points with the magnitudes m, and the least magnitude of as many."""
    shared = SINGLE_BITS + m // HALF
    beyond = np.maximum(m - REACH - 1, 0) + 2 ** (SHARED_BITS - 1)
    bits = np.select([m == 0, m < HALF, m <= REACH], [1, _log2(m) + 2, shared], _log2(beyond) + 2)
    power = np.int64(1) << np.maximum(bits - 2, 0)
    first = np.select(
        [m < HALF, m <= REACH],
        [power, HALF * (bits - SINGLE_BITS)],
        REACH + 1 + power - 2 ** (SHARED_BITS - 1),
    )
    return bits, first


def _log2(values: np.ndarray) -> np.ndarray:
    """Return ⌊log₂⌋ of integers, 0 for those below 1, int64."""
    return np.frexp(np.maximum(values, 1).astype(np.float64))[1].astype(np.int64) - 1
