"""The guard list: corrections in the stream of indexes that a decoder could get wrong.

An encoder lists every position whose float lies within a band of a boundary of its grid
(:mod:`rdbound.coding.entropy.scale_table`), with the parity of its index. A decoder whose float
differs by less than the band from the encoder's is off by at most one there and nowhere else, so
the parity settles which. Gaps between positions are Rice-coded (about 15 bits an entry).

Boundaries of log-scales are ln(256/0.11)/63 = 0.123 apart and the band is 2e-5 wide:
of log-scales spread evenly over the ladder one in about 6000 is listed.
"""

import numpy as np

from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.coding.entropy.scale_table import SCALES, EvenGrid

__all__ = ["BAND", "agreed", "read_indexes", "write_indexes"]

BAND = 1e-5
"""Half-width of the guard band in log-scale. Float32 arithmetic in another order
moves the log-scales of Res-hyper by 1e-6 (measured: 1.3e-6 at most on a Kodak image)."""


def agreed(
    stream: Writer | Reader, values: np.ndarray, grid: EvenGrid = SCALES, band: float = BAND
) -> np.ndarray:
    """Return the grid indexes of ``values`` [n] on which encoder and decoder agree.

    A :class:`Writer` takes the guard list, a :class:`Reader` gives it. The indexes go into the
    stream's checksum: if encoder and decoder differ by more than the band, decoding fails.
    """
    if isinstance(stream, Writer):
        index = write_indexes(stream, values, grid, band)
    else:
        index = read_indexes(stream, values, grid)
    stream.check(index)
    return index


def write_indexes(
    writer: Writer, values: np.ndarray, grid: EvenGrid = SCALES, band: float = BAND
) -> np.ndarray:
    """Write the guard list of ``values`` [n] and return their indexes [n].

    The list consists of its length and, for each entry, the gap to the one before it and the
    parity of its index.
    """
    index, distance = grid.nearest(values)
    listed = np.flatnonzero(distance < band)
    writer.integer(len(listed), len(index) + 1)
    low_bits = _low_bits(len(index), len(listed))
    start = 0
    for position in listed:
        gap = int(position) - start
        for _ in range(gap >> low_bits):
            writer.integer(1, 2)
        writer.integer(0, 2)
        writer.integer(gap % (1 << low_bits), 1 << low_bits)
        writer.integer(int(index[position]) % 2, 2)
        start = int(position) + 1
    return index


def read_indexes(reader: Reader, values: np.ndarray, grid: EvenGrid = SCALES) -> np.ndarray:
    """Return the encoder's indexes [n], from the decoder's own values and the guard list.

    They are right if the two machines' values differ by less than the writer's band; otherwise
    the checksum of the indexes reports it.

    Raises:
      UnreadableError: if a position lies beyond the latent.
    """
    index, _ = grid.nearest(values)
    start, count = 0, reader.integer(len(index) + 1)
    low_bits = _low_bits(len(index), count)
    for _ in range(count):
        high = 0
        while reader.integer(2) and high << low_bits < len(index):
            high += 1
        position = start + (high << low_bits) + reader.integer(1 << low_bits)
        if position >= len(index):
            raise UnreadableError("a guarded position beyond the latent")
        parity = reader.integer(2)
        if index[position] % 2 != parity:
            index[position] = grid.across(float(values[position]), int(index[position]))
        start = position + 1
    return index


def _low_bits(length: int, count: int) -> int:
    """Return the low bits of a gap's Rice code, about log₂ of the mean gap."""
    return max(0, (length // max(1, count)).bit_length() - 1)
