"""Small integers that lie around one value: what a level is told beside its latents.

Indexes of which small ones are likelier: Zipf's law, octave by octave.

An index n is told by its octave ⌊log₂(n + 1)⌋ and its place in it. Of Zipf's law (n + 1)^−(1 + e)
an octave has about in proportion to 2^(−e·octave), and in it the places are told as if they were
alike: both cost less than 0.1 bit together, for any e up to 1. Two numbers, e and the last octave,
suit the law to the indexes.

Whole numbers of any spread as bytes, by their own frequencies: how weights are stored.

A number is a pack of 2^k and a place in it: packs go through a table of their frequencies, which
stands in the bytes, places are all alike.
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
    table_from_coarse,
    table_from_mass,
)
from rdbound.coding.entropy.range_coder import LARGEST, Reader, UnreadableError, Writer, is_lost
from rdbound.coding.entropy.scale_table import SCALES
from rdbound.ops.gaussian import LN2
from rdbound.ops.reproducible import portable_exp

__all__ = [
    "LAWS",
    "OCTAVES",
    "bytes_of_numbers",
    "numbers_of_bytes",
    "read_clustered",
    "read_zipf",
    "write_clustered",
    "write_zipf",
]


def write_clustered(stream: Writer, values: np.ndarray, limit: int) -> None:
    """Write 0 ≤ values [n] < limit: their median, their spread, and what each lies off the median.

    The last through the table of the Gaussian that has their spread.
    """
    centre = int(np.median(values))
    spread = int(SCALES.nearest(np.log(np.std(values - centre) + 0.2))[0])
    stream.integer(centre, limit)
    stream.integer(spread, SCALES.levels)
    offsets = (values - centre).astype(np.int32)
    stream.symbols(offsets, np.zeros(len(values), int), [gaussian_tables()[spread]])


def read_clustered(stream: Reader, count: int, limit: int) -> np.ndarray:
    """The integers that :func:`write_clustered` wrote, [count].

    Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` for one out of range.
    """
    centre, spread = stream.integer(limit), stream.integer(SCALES.levels)
    values = centre + stream.symbols(np.zeros(count, int), [gaussian_tables()[spread]])
    if (values < 0).any() or (values >= limit).any():
        raise UnreadableError(f"an integer that is not from 0 to {limit - 1}")
    return values


LAWS = 32


"""How many e there are: from 1/32 to 1, evenly spaced."""


OCTAVES = 31


"""Indexes are below 2^31 − 1."""


_CENTRE = OCTAVES // 2


def write_zipf(stream: Writer, indexes: np.ndarray) -> None:
    """Write indexes [n], int64 from 0 to 2^31 − 2, by the law that makes them shortest."""
    octaves = np.frexp(indexes + 1.0)[1].astype(np.int64) - 1  # ⌊log₂⌋, exactly
    last = int(octaves.max(initial=0))
    law = int(np.argmin([_bits(_table(law, last), octaves) for law in range(LAWS)]))
    stream.integer(last, OCTAVES)
    stream.integer(law, LAWS)
    groups = np.zeros(len(octaves), int)
    stream.symbols((octaves - _CENTRE).astype(np.int32), groups, [_table(law, last)])
    for octave in np.unique(octaves):
        within = indexes[octaves == octave] + 1 - (1 << int(octave))
        stream.integers(within, 1 << int(octave))


def read_zipf(stream: Reader, count: int) -> np.ndarray:
    """The indexes that :func:`write_zipf` wrote, int64 [count]."""
    last, law = stream.integer(OCTAVES), stream.integer(LAWS)
    table = _table(law, last)
    octaves = stream.symbols(np.zeros(count, int), [table]).astype(np.int64) + _CENTRE
    octaves = np.clip(octaves, 0, OCTAVES - 1)
    indexes = (1 << octaves) - 1
    for octave in np.unique(octaves):
        here = octaves == octave
        indexes[here] += stream.integers(int(here.sum()), 1 << int(octave))
    return indexes


def _bits(table: FrequencyTable, octaves: np.ndarray) -> float:
    return -float(np.sum(np.log2(table.frequencies[octaves] / TOTAL)))


@cache
def _table(law: int, last: int) -> FrequencyTable:
    octaves = np.arange(OCTAVES)
    masses = portable_exp(-LN2 * (law + 1) / LAWS * octaves)
    masses = np.where(octaves > last, 0.0, masses)
    masses = masses / np.cumsum(masses)[-1]  # one sum after the other, on every machine
    return table_from_mass(lambda k: masses[(k + _CENTRE).astype(int)], _CENTRE)


_REACH = 127  # the largest pack that has a frequency; what lies beyond is escaped


_SPREAD = 16.0  # standard deviations of packs that are told apart by frequencies


_BITS = 32


def bytes_of_numbers(values: np.ndarray) -> bytes:
    """Integers [n] of magnitudes below 2^30 → bytes; raises ValueError for larger ones."""
    values = np.asarray(values, np.int64).ravel()
    if np.abs(values).max(initial=0) >= LARGEST:
        raise ValueError("numbers that reach 2^30 cannot be written")
    spread = math.sqrt(float(np.mean(values.astype(np.float64) ** 2))) if len(values) else 0.0
    k = max(0, math.ceil(math.log2(spread / _SPREAD))) if spread > _SPREAD else 0
    packs, places = _split(values, k)
    reach = int(min(_REACH, np.abs(packs).max(initial=0)))
    symbols = np.where(np.abs(packs) > reach, 2 * reach + 1, packs + reach)
    coarse = coarse_counts(np.bincount(symbols, minlength=2 * reach + 2))
    stream = Writer()
    stream.integer(k, _BITS)
    stream.integer(reach, _REACH + 1)
    stream.integers(coarse, COARSE)
    if len(values):
        groups = np.zeros(len(values), np.int64)
        stream.symbols(packs.astype(np.int32), groups, [table_from_coarse(coarse)])
        stream.integers(places, 1 << k)
    return stream.finish()


def numbers_of_bytes(data: bytes, count: int) -> np.ndarray:
    """What :func:`bytes_of_numbers` wrote of ``count`` integers, int64 [count].

    Raises ValueError for what it never writes.
    """
    stream = Reader(data)
    try:
        k = stream.integer(_BITS)
        reach = stream.integer(_REACH + 1)
        coarse = stream.integers(2 * reach + 2, COARSE)
        if not count:
            return np.zeros(0, np.int64)
        table = table_from_coarse(coarse)
        packs = stream.symbols(np.zeros(count, np.int64), [table]).astype(np.int64)
        places = stream.integers(count, 1 << k)
    except BaseException as error:
        if is_lost(error):
            raise ValueError("bytes that hold no such numbers") from None
        raise
    return (packs << k) + places - ((1 << k) >> 1)


def _split(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    moved = values + ((1 << k) >> 1)
    return moved >> k, moved & ((1 << k) - 1)
