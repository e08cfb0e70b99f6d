"""Codes for arrays of integers whose distribution stands in the stream beside them.

- :func:`write_clustered`: integers around one value, by a Gaussian with their median and spread.
- :func:`write_zipf`: indexes of which small ones are likelier, by Zipf's law (n + 1)^−(1 + e).
  An index n is written as its octave ⌊log₂(n + 1)⌋ and its place in it. An octave has about the
  probability 2^(−e·octave), and its places are equally likely: both approximations cost less than
  0.1 bit together, for any e up to 1. The stream has e and the last octave.
- :func:`bytes_of_numbers`: integers of any spread, by their own frequencies (stored weights). An
  integer is a pack of 2^k and a place in it: packs are coded by a table of their frequencies,
  places are equally likely.
"""

import math
from functools import cache

import numpy as np

from rdbound.coding.entropy.frequency_tables import (
    COARSE,
    TOTAL,
    FrequencyTable,
    coarse_counts,
    gaussian_tables,
    symbols_within,
    table_from_coarse,
    table_from_mass,
)
from rdbound.coding.entropy.range_coder import LARGEST, Reader, UnreadableError, Writer, is_lost
from rdbound.coding.entropy.scale_table import SCALES
from rdbound.ops.gaussian import LN2
from rdbound.ops.reproducible import portable_exp

__all__ = [
    "bytes_of_numbers",
    "joined_packs",
    "numbers_of_bytes",
    "read_clustered",
    "read_zipf",
    "split_packs",
    "write_clustered",
    "write_zipf",
]

_LAWS = 32  # exponents e: from 1/32 to 1, evenly spaced
_OCTAVES = 31  # indexes are below 2^31 − 1
_CENTRE = _OCTAVES // 2

_REACH = 127  # the largest pack that has a frequency; a larger one is escaped
_SPREAD = 16.0  # standard deviation of packs, in packs, at most
_PACK_BITS = 32  # limit of k


def write_clustered(stream: Writer, values: np.ndarray, limit: int) -> None:
    """Write 0 ≤ values [n] < limit: their median, their spread, and their offsets from the median.

    The offsets are coded by the table of the Gaussian that has their spread.
    """
    centre = int(np.median(values))
    spread = int(SCALES.nearest(np.log(np.std(values - centre) + 0.2))[0])
    stream.integer(centre, limit)
    stream.integer(spread, SCALES.levels)
    offsets = (values - centre).astype(np.int32)
    stream.symbols(offsets, np.zeros(len(values), int), [gaussian_tables()[spread]])


def read_clustered(stream: Reader, count: int, limit: int) -> np.ndarray:
    """Return the integers that :func:`write_clustered` wrote, [count].

    Raises:
      UnreadableError: if one is out of range.
    """
    centre, spread = stream.integer(limit), stream.integer(SCALES.levels)
    values = centre + stream.symbols(np.zeros(count, int), [gaussian_tables()[spread]])
    if (values < 0).any() or (values >= limit).any():
        raise UnreadableError(f"an integer that is not from 0 to {limit - 1}")
    return values


def write_zipf(stream: Writer, indexes: np.ndarray) -> None:
    """Write indexes [n], int64 from 0 to 2^31 − 2, by the law that gives the shortest code."""
    octaves = np.frexp(indexes + 1.0)[1].astype(np.int64) - 1  # ⌊log₂⌋, exactly
    last = int(octaves.max(initial=0))
    law = int(np.argmin([_bits(_table(law, last), octaves) for law in range(_LAWS)]))
    stream.integer(last, _OCTAVES)
    stream.integer(law, _LAWS)
    groups = np.zeros(len(octaves), int)
    stream.symbols((octaves - _CENTRE).astype(np.int32), groups, [_table(law, last)])
    for octave in np.unique(octaves):
        within = indexes[octaves == octave] + 1 - (1 << int(octave))
        stream.integers(within, 1 << int(octave))


def read_zipf(stream: Reader, count: int) -> np.ndarray:
    """Return the indexes that :func:`write_zipf` wrote, int64 [count]."""
    last, law = stream.integer(_OCTAVES), stream.integer(_LAWS)
    table = _table(law, last)
    octaves = stream.symbols(np.zeros(count, int), [table]).astype(np.int64) + _CENTRE
    octaves = np.clip(octaves, 0, _OCTAVES - 1)
    indexes = (1 << octaves) - 1
    for octave in np.unique(octaves):
        here = octaves == octave
        indexes[here] += stream.integers(int(here.sum()), 1 << int(octave))
    return indexes


def _bits(table: FrequencyTable, octaves: np.ndarray) -> float:
    return -float(np.sum(np.log2(table.frequencies[octaves] / TOTAL)))


@cache
def _table(law: int, last: int) -> FrequencyTable:
    octaves = np.arange(_OCTAVES)
    masses = portable_exp(-LN2 * (law + 1) / _LAWS * octaves)
    masses = np.where(octaves > last, 0.0, masses)
    masses = masses / np.cumsum(masses)[-1]  # one sum after the other, on every machine
    return table_from_mass(lambda k: masses[(k + _CENTRE).astype(int)], _CENTRE)


def split_packs(values: np.ndarray, k: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pack of 2^k of each integer, 0 around zero, and its place in the pack."""
    moved = values + ((1 << k) >> 1)
    return moved >> k, moved & ((1 << k) - 1)


def joined_packs(packs: np.ndarray, places: np.ndarray, k: np.ndarray | int) -> np.ndarray:
    """Return the integers that :func:`split_packs` split, int64."""
    return (packs.astype(np.int64) << k) + places - ((1 << k) >> 1)


def bytes_of_numbers(values: np.ndarray) -> bytes:
    """Return integers [n] as bytes.

    Raises:
      ValueError: if a magnitude reaches 2^30.
    """
    values = np.asarray(values, np.int64).ravel()
    if np.abs(values).max(initial=0) >= LARGEST:
        raise ValueError("numbers that reach 2^30 cannot be written")
    spread = math.sqrt(float(np.mean(values.astype(np.float64) ** 2))) if len(values) else 0.0
    k = max(0, math.ceil(math.log2(spread / _SPREAD))) if spread > _SPREAD else 0
    packs, places = split_packs(values, k)
    reach = int(min(_REACH, np.abs(packs).max(initial=0)))
    symbols = symbols_within(packs, reach)
    coarse = coarse_counts(np.bincount(symbols, minlength=2 * reach + 2))
    stream = Writer()
    stream.integer(k, _PACK_BITS)
    stream.integer(reach, _REACH + 1)
    stream.integers(coarse, COARSE)
    if len(values):
        groups = np.zeros(len(values), np.int64)
        stream.symbols(packs.astype(np.int32), groups, [table_from_coarse(coarse)])
        stream.integers(places, 1 << k)
    return stream.finish()


def numbers_of_bytes(data: bytes, count: int) -> np.ndarray:
    """Return the integers that :func:`bytes_of_numbers` wrote, int64 [count].

    Raises:
      ValueError: if the bytes are not those of ``count`` integers.
    """
    stream = Reader(data)
    try:
        k = stream.integer(_PACK_BITS)
        reach = stream.integer(_REACH + 1)
        coarse = stream.integers(2 * reach + 2, COARSE)
        if not count:
            return np.zeros(0, np.int64)
        packs = stream.symbols(np.zeros(count, np.int64), [table_from_coarse(coarse)])
        places = stream.integers(count, 1 << k)
    except BaseException as error:
        if is_lost(error):
            raise ValueError("bytes that hold no such numbers") from None
        raise
    return joined_packs(packs, places, k)
