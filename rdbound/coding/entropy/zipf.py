"""Indexes of which small ones are likelier: Zipf's law, octave by octave.

An index n is told by its octave ⌊log₂(n + 1)⌋ and its place in it. Of Zipf's law (n + 1)^−(1 + e)
an octave has about in proportion to 2^(−e·octave), and in it the places are told as if they were
alike: both cost less than 0.1 bit together, for any e up to 1. Two numbers, e and the last octave,
suit the law to the indexes.
"""

from functools import cache

import numpy as np

from rdbound.coding.entropy.frequency_tables import TOTAL, FrequencyTable, table_from_mass
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.ops.gaussian import LN2
from rdbound.ops.reproducible import portable_exp

__all__ = ["LAWS", "OCTAVES", "read_zipf", "write_zipf"]

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
