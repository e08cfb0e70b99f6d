"""Tables of shifted bins, by which the indexes of a dithered quantizer are coded.

Given the dither u, an index k has the probability of the unit bin around k + u. A dither has many
values, so that those with similar probabilities share a table, a *cell*: the probability is taken
at its middle, which costs less than 0.001 bit and does not change the conveyed value. Tables are
computed at their first use, by arithmetic that is the same on every machine
(:mod:`rdbound.ops.reproducible`); no checkpoint contains them. The parameters of a mixture of
Gaussians are first rounded to grids on which encoder and decoder agree.
"""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable, table_from_mass
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer, integers
from rdbound.coding.entropy.scale_table import SCALES, EvenGrid
from rdbound.ops.distributions import TAIL, ChannelMass, Mixture, Prior, StandardMass, mixture_mass

__all__ = [
    "ChannelBins",
    "ScaledBins",
    "ShiftedBins",
    "agreed_masses",
    "bin_tables",
    "latent_at",
    "read_bins",
    "write_bins",
]

_FINENESS = 8.0  # cells a standard deviation
_CELLS = 41  # in the last cell no edge of a bin is within five standard deviations
_CHANNEL_CELLS = 16

_WEIGHTS = EvenGrid(0.0, 2.0**-12, 2**12 + 1)  # of mixtures
_OFFSETS = EvenGrid(-512.0, 2.0**-6, 2**16)
_FINE_SCALES = EvenGrid(SCALES.low - 128 * SCALES.step / 8, SCALES.step / 8, 1024)


class ShiftedBins(Protocol):
    """The tables of a family of densities, by the index of a density and a dither."""

    def table(self, group: int) -> FrequencyTable:
        """Return the table of a number of :meth:`groups`."""
        ...

    def groups(self, index: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return the numbers of the symbols' tables for indexes and dithers, [n] each."""
        ...

    def signs(self, u: np.ndarray) -> np.ndarray:
        """Return the factors that turn quantizer indexes into symbols of their tables, ±1 [n]."""
        ...


class ScaledBins:
    """Shifted bins of centred symmetric densities that differ in their scale.

    Cells are an eighth of a standard deviation wide, counted from the edge of a bin
    inwards: only there do the probabilities change. As the density is symmetric, the bins of −u
    are those of u mirrored.

    Args:
      standard_mass: see :class:`rdbound.ops.distributions.Prior`.
      grid: log-scales.
    """

    def __init__(self, standard_mass: StandardMass, grid: EvenGrid):
        self._mass, self._sigma = standard_mass, grid.scale(np.arange(grid.levels))
        self.table = cache(self._table)

    def groups(self, index: np.ndarray, u: np.ndarray) -> np.ndarray:
        """See :class:`ShiftedBins`."""
        inwards = (0.5 - np.abs(u)) * _FINENESS / self._sigma[index]
        cell = np.minimum(np.floor(inwards), _CELLS - 1).astype(np.int64)
        return index.astype(np.int64) * _CELLS + cell

    def signs(self, u: np.ndarray) -> np.ndarray:
        """See :class:`ShiftedBins`."""
        return np.where(u < 0, -1, 1)

    def _table(self, group: int) -> FrequencyTable:
        index, cell = divmod(group, _CELLS)
        sigma = self._sigma[index]
        width = sigma / _FINENESS
        # A cell may end in the middle of the bin, where the dither is zero.
        inwards = min(0.5 * (cell * width + min(0.5, (cell + 1) * width)), 0.5)
        shift = 0.5 - inwards
        return table_from_mass(
            lambda k: self._mass(k + shift, sigma), 2 + int(np.ceil(TAIL * sigma))
        )


class ChannelBins:
    """Shifted bins of one density for each channel.

    Args:
      masses: see :class:`rdbound.ops.distributions.Prior`.
    """

    def __init__(self, masses: Sequence[ChannelMass]):
        self._masses = masses
        self.table = cache(self._table)

    def groups(self, index: np.ndarray, u: np.ndarray) -> np.ndarray:
        """See :class:`ShiftedBins`."""
        cell = np.floor((u + 0.5) * _CHANNEL_CELLS).astype(np.int64)
        return index.astype(np.int64) * _CHANNEL_CELLS + cell

    def signs(self, u: np.ndarray) -> np.ndarray:
        """See :class:`ShiftedBins`."""
        return np.ones(len(u), np.int64)

    def _table(self, group: int) -> FrequencyTable:
        channel, cell = divmod(group, _CHANNEL_CELLS)
        mass, reach = self._masses[channel]
        shift = (cell + 0.5) / _CHANNEL_CELLS - 0.5
        return table_from_mass(lambda k: mass(k + shift), reach + 1)


def write_bins(
    stream: Writer, place: np.ndarray, u: np.ndarray, bins: ShiftedBins, index: np.ndarray
) -> np.ndarray:
    """Round and write a latent.

    Args:
      stream: stream that is written.
      place: values to be rounded, in steps of the quantizer and less the dither, float64 [n].
      u: dither, float64 [n].
      bins: tables.
      index: index of each element's density, [n].

    Returns:
      The indexes of the quantizer, int32 [n].

    Raises:
      ValueError: if a value is not finite or reaches 2^30.
    """
    k = integers(place)
    groups, tables = bin_tables(bins, index, u)
    stream.symbols((k * bins.signs(u)).astype(np.int32), groups, tables)
    return k


def read_bins(stream: Reader, u: np.ndarray, bins: ShiftedBins, index: np.ndarray) -> np.ndarray:
    """Return the indexes that :func:`write_bins` wrote, [n]."""
    return stream.symbols(*bin_tables(bins, index, u)) * bins.signs(u)


def bin_tables(
    bins: ShiftedBins, index: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, list[FrequencyTable]]:
    """Return the index of each symbol's table, [n], and the tables in use."""
    used, groups = np.unique(bins.groups(index, u), return_inverse=True)
    return groups, [bins.table(int(group)) for group in used]


def latent_at(residual: np.ndarray, prior: Prior, shape: tuple[int, ...]) -> np.ndarray:
    """Return the latent at the distances ``residual`` [n] from the prior's centre, float32."""
    return residual.reshape(shape).astype(np.float32) + prior.centre


def agreed_masses(prior: Mixture, stream: Writer | Reader, width: float = 1.0) -> list[ChannelMass]:
    """Return the bin probabilities of mixtures on which encoder and decoder agree.

    Args:
      prior: mixtures with [C, K] parameters, of which each machine has its own floats.
      stream: stream of the guard lists.
      width: width of a bin; a probability is that of the bin around width·r.

    Returns:
      See :meth:`Mixture.channel_mass`.
    """
    weight, offset, log_sigma = prior.components()
    places = zip((weight, offset, log_sigma), (_WEIGHTS, _OFFSETS, _FINE_SCALES), strict=True)
    w, o, s = (agreed(stream, of.ravel(), grid).reshape(of.shape) for of, grid in places)
    weights = _WEIGHTS.value(w)
    sums = weights.sum(1, keepdims=True)
    return mixture_mass(weights / sums, _OFFSETS.value(o) / width, _FINE_SCALES.scale(s) / width)
