"""The guard list: table indexes that a decoder could get wrong, said in the stream.

An encoder lists every position whose log-scale lies within a band of a table
boundary, with the parity of its index. A decoder whose log-scale differs by
less than the band from the encoder's is off by at most one table there and
nowhere else, so the parity settles which.
"""

import numpy as np

from rdbound.coding.range_coder import Reader, Writer
from rdbound.coding.tables import LEVELS, LOG_SCALE_MIN, LOG_SCALE_STEP, scale_indexes

__all__ = ["BAND", "read_indexes", "write_indexes"]

BAND = 3e-5
"""Half-width of the guard band in log-scale. Float32 arithmetic in another order
moves log-scales by about 1e-6 (``tests/coding/test_guard.py`` measures it)."""


def write_indexes(writer: Writer, log_sigma: np.ndarray) -> np.ndarray:
    """Write the guard list of ``log_sigma`` [n]; return the indexes uint8 [n]."""
    index, distance = scale_indexes(log_sigma)
    listed = np.flatnonzero(distance < BAND)
    writer.integer(len(listed), len(index) + 1)
    # Sorted positions, each within what the one before has left.
    start = 0
    for position in listed:
        writer.integer(int(position) - start, len(index) - start)
        writer.integer(int(index[position]) % 2, 2)
        start = int(position) + 1
    return index


def read_indexes(reader: Reader, log_sigma: np.ndarray) -> np.ndarray:
    """The encoder's indexes uint8 [n], from the decoder's own log-scales and the list."""
    index, _ = scale_indexes(log_sigma)
    start = 0
    for _ in range(reader.integer(len(index) + 1)):
        position = start + reader.integer(len(index) - start)
        parity = reader.integer(2)
        if index[position] % 2 != parity:
            index[position] = _across(float(log_sigma[position]), int(index[position]))
        start = position + 1
    return index


def _across(log_sigma: float, index: int) -> int:
    """The neighbour of ``index`` on the other side of the nearest boundary."""
    place = (log_sigma - LOG_SCALE_MIN) / LOG_SCALE_STEP
    return min(max(index + (1 if place > index else -1), 0), LEVELS - 1)
