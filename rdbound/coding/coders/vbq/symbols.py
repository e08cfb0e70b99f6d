"""Code points as symbols: numbered, and written through tables of frequencies.

A table counts the points of up to five bits one by one, those of six to ten in 32 equal
intervals of (0, 1), within which a point costs the same, and together those of more: these are
written as escapes are. Numbers are mirrored at ½, which is 0:

    1 … 15    bits 2 … 5, each point by itself
    16 … 95   bits 6 … 10, 16 intervals each
    96 …      the others, by bits and then by the distance from the edge
"""

import numpy as np

from rdbound.coding.coders.vbq.code_points import MOST_BITS, CodePoints
from rdbound.coding.entropy.frequency_tables import TOTAL, FrequencyTable
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer

__all__ = [
    "REACH",
    "SYMBOLS",
    "lengths_of",
    "numbers_of",
    "read_points",
    "symbols_of",
    "write_points",
]

_SINGLE, _SHARED = 5, 10  # bits up to which points are counted singly, and in intervals
_HALF = 2 ** (_SINGLE - 1)  # intervals on one side of ½
_ESCAPE = 6  # bits of sign and length that follow an escape
REACH = _HALF - 1 + (_SHARED - _SINGLE) * _HALF
"""The largest number that has a frequency of its own, 95."""

SYMBOLS = 2 * REACH + 2
"""Of a table, the escape's last."""


def numbers_of(points: CodePoints) -> tuple[np.ndarray, np.ndarray]:
    """(the number of each point, int64 [n], and which of its interval's it is, int64 [n])."""
    bits, side, a = _folded(points)
    single = np.ldexp(1.0, np.maximum(bits - 2, 0)).astype(np.int64) + (a - 1) // 2
    width = np.maximum(bits - _SINGLE, 0)
    shared = _HALF * (bits - _SINGLE) + (a >> width)
    deep = REACH + 1 + (single - 2 ** (_SHARED - 1))
    number = np.select([bits <= _SINGLE, bits <= _SHARED], [single, shared], deep)
    within = np.where(_in_interval(bits), (a & ((1 << width) - 1)) >> 1, 0)
    return side * number, within


def symbols_of(points: CodePoints) -> np.ndarray:
    """The place of each point's frequency in a table, int64 [n]."""
    number, _ = numbers_of(points)
    return np.where(np.abs(number) > REACH, SYMBOLS - 1, number + REACH)


def lengths_of(points: CodePoints, groups: np.ndarray, tables: list[FrequencyTable]) -> np.ndarray:
    """Bits that :func:`write_points` takes for each point, float64 [n]."""
    number, _ = numbers_of(points)
    beyond = np.abs(number) > REACH
    costs = np.log2(TOTAL / np.array([table.frequencies for table in tables], np.float64))
    within = np.clip(points.bits - _SINGLE - 1, 0, _SHARED - _SINGLE - 1)
    deep = _ESCAPE + np.frexp(np.maximum(np.abs(number) - REACH, 1).astype(np.float64))[1]
    return costs[groups, symbols_of(points)] + np.where(beyond, deep, within)


def write_points(
    stream: Writer, points: CodePoints, groups: np.ndarray, tables: list[FrequencyTable]
) -> None:
    """Write [n] points, each through the table that ``groups`` [n] names."""
    number, within = numbers_of(points)
    stream.symbols(number.astype(np.int32), groups, tables)
    for bits in range(_SINGLE + 2, _SHARED + 1):
        stream.integers(within[points.bits == bits], 1 << (bits - _SINGLE - 1))


def read_points(stream: Reader, groups: np.ndarray, tables: list[FrequencyTable]) -> CodePoints:
    """The points that :func:`write_points` wrote, [n].

    Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` for what it never writes.
    """
    number = stream.symbols(groups, tables).astype(np.int64)
    m = np.abs(number)
    bits, first = _bits_of(m)
    if (bits > MOST_BITS).any():
        raise UnreadableError(f"a code point of more than {MOST_BITS} bits")
    a = np.where(m == 0, 1, 2 * (m - first) + 1)
    for length in range(_SINGLE + 1, _SHARED + 1):
        of = bits == length
        width = length - _SINGLE
        within = stream.integers(int(of.sum()), 1 << (width - 1))
        a[of] = ((m[of] - first[of]) << width) + 2 * within + 1
    return CodePoints(bits, np.where(number > 0, (1 << bits) - a, a))


def _folded(points: CodePoints) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bits, −1 below ½ and 1 above it, the numerator of the point or of its mirror below ½)."""
    whole = 1 << points.bits
    side = np.sign(2 * points.numerator - whole)
    return points.bits, side, np.minimum(points.numerator, whole - points.numerator)


def _in_interval(bits: np.ndarray) -> np.ndarray:
    return (bits > _SINGLE) & (bits <= _SHARED)


def _bits_of(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(bits of the points of a magnitude, the least magnitude of as many bits)."""
    log2 = lambda x: np.frexp(np.maximum(x, 1).astype(np.float64))[1].astype(np.int64) - 1  # noqa: E731
    shared = _SINGLE + m // _HALF
    beyond = np.maximum(m - REACH - 1, 0) + 2 ** (_SHARED - 1)
    bits = np.select([m == 0, m < _HALF, m <= REACH], [1, log2(m) + 2, shared], log2(beyond) + 2)
    power = np.int64(1) << np.maximum(bits - 2, 0)
    first = np.select(
        [m < _HALF, m <= REACH],
        [power, _HALF * (bits - _SINGLE)],
        REACH + 1 + power - 2 ** (_SHARED - 1),
    )
    return bits, first
