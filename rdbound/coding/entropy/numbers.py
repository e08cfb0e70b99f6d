"""Whole numbers of any spread as bytes, by their own frequencies: how weights are stored.

A number is a pack of 2^k and a place in it: packs go through a table of their frequencies, which
stands in the bytes, places are all alike.
"""

import math

import numpy as np

from rdbound.coding.entropy.frequency_tables import COARSE, coarse_counts, table_from_coarse
from rdbound.coding.entropy.range_coder import LARGEST, Reader, Writer, is_lost

__all__ = ["bytes_of_numbers", "numbers_of_bytes"]

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
