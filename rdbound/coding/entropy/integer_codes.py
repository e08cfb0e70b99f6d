"""Small integers that lie around one value: what a level is told beside its latents."""

import numpy as np

from rdbound.coding.entropy.frequency_tables import gaussian_tables
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.coding.entropy.scale_table import SCALES

__all__ = ["read_clustered", "write_clustered"]


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
