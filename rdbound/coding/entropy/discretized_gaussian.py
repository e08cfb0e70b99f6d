"""Gaussians over bins much finer than their scales, from which bits-back coding draws latents.

A bin is 1/32 wide. Means lie on a grid of eighths, scales on a grid of eighths of an octave, and
encoder and decoder agree on both. A bin of a Gaussian wider than 128 bins is coded in two parts: a
pack of 2^k bins, by a table, and the place in it, all equally likely; that costs less than 0.001
bit, since the density hardly changes within a pack.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from rdbound.coding.entropy.ans_stack import BitStack, read_excess, write_excess
from rdbound.coding.entropy.frequency_tables import FrequencyTable, table_from_mass
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.integer_codes import joined_packs, split_packs
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import EvenGrid
from rdbound.ops.distributions import TAIL, Gaussian

__all__ = ["WIDTH", "DiscretizedGaussian"]

WIDTH = 1.0 / 32
"""Width of a bin, in units of the latent."""

_OCTAVE = 8  # scales an octave
_LADDER = EvenGrid(math.log(0.125), math.log(2.0) / _OCTAVE, 160)  # log-scales, in bins
_WIDEST = 10 * _OCTAVE  # index of 128 bins: wider Gaussians are coded in packs
_EIGHTHS = EvenGrid(-4096.0, 0.125, 2**16)
_BAND = 2e-5  # noise of the last digit on weights and latents moves means by 1e-5 at most


@cache
def _table(index: int) -> FrequencyTable:
    sigma = float(_LADDER.scale(index))
    return table_from_mass(lambda r: Gaussian.standard_mass(r, sigma), 1 + math.ceil(TAIL * sigma))


@dataclass(frozen=True)
class DiscretizedGaussian:
    """Gaussians with means and scales on the grids.

    Attributes:
      place: bins of the means, int64 [n].
      scale: indexes of the scales, int64 [n].
    """

    place: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(
        cls, known: Gaussian, shape: tuple[int, ...], stream: Writer | Reader | None = None
    ) -> "DiscretizedGaussian":
        """Return the nearest discretized Gaussians of a latent.

        Args:
          known: NumPy arrays that broadcast to ``shape``.
          shape: shape of the latent.
          stream: stream of the guard lists, by which encoder and decoder agree; None for this
            machine's own values.

        Raises:
          ValueError: if a mean or scale is not finite.
        """
        mu, log_sigma = (
            np.broadcast_to(np.asarray(leaf, np.float64), shape).ravel() for leaf in known
        )
        if not (np.isfinite(mu).all() and np.isfinite(log_sigma).all()):
            raise ValueError(
                "a mean or scale of a latent is not finite: the model cannot code this"
            )
        log_sigma = log_sigma - math.log(WIDTH)
        if stream is None:
            mean, scale = _EIGHTHS.nearest(mu)[0], _LADDER.nearest(log_sigma)[0]
        else:
            mean = agreed(stream, mu, _EIGHTHS, _BAND)
            scale = agreed(stream, log_sigma, _LADDER)
        place = np.rint(_EIGHTHS.value(mean) / WIDTH).astype(np.int64)
        return cls(place, scale.astype(np.int64))

    @property
    def _pack_bits(self) -> np.ndarray:
        """K of the packs of 2^k bins, [n]."""
        return np.maximum(0, -(-(self.scale - _WIDEST) // _OCTAVE))

    def _tables(self) -> tuple[np.ndarray, list[FrequencyTable]]:
        """Return the index of each pack's table, [n], and the tables."""
        used, groups = np.unique(self.scale - _OCTAVE * self._pack_bits, return_inverse=True)
        return groups, [_table(int(index)) for index in used]

    def push(self, stack: BitStack, bins: np.ndarray) -> None:
        """Push int64 bins [n]; a pack beyond its table is an escape symbol."""
        k = self._pack_bits
        packs, places = split_packs(bins - self.place, k)
        for bits in np.unique(k)[::-1]:
            stack.push_bits(places[k == bits], int(bits))
        stack.push(packs, *self._tables())

    def pop(self, stack: BitStack, stream: Reader | None = None) -> np.ndarray:
        """Pop the bins, int64 [n].

        Args:
          stack: stack of the bins.
          stream: stream with the escaped packs; None to take the pack next above the table.

        Raises:
          UnreadableError: see :func:`rdbound.coding.entropy.ans_stack.read_excess`.
        """
        groups, tables = self._tables()
        packs = stack.pop(groups, tables)
        if stream is not None:
            packs = read_excess(stream, packs, groups, tables)
        k, places = self._pack_bits, np.zeros(len(packs), np.int64)
        for bits in np.unique(k):
            places[k == bits] = stack.pop_bits(int((k == bits).sum()), int(bits))
        return joined_packs(packs, places, k) + self.place

    def write_excess(self, stream: Writer, bins: np.ndarray) -> None:
        """Write the packs beyond their tables, which :meth:`push` only escapes."""
        write_excess(stream, split_packs(bins - self.place, self._pack_bits)[0], *self._tables())
