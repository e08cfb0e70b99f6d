"""Gaussians over bins much finer than their scales: what bits-back draws latents from.

A bin is 1/32 wide. Means lie on a grid of eighths, scales on a ladder of eighths of an octave,
both agreed on. A Gaussian wider than 128 bins is told in two parts: which pack of 2^k bins,
by a table, and which bin of it, all alike; that costs less than 0.001 bit, since its density
hardly changes within a pack.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from rdbound.coding.entropy.ans_stack import BitStack, read_excess, write_excess
from rdbound.coding.entropy.frequency_tables import FrequencyTable, table_from_mass
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import EvenGrid
from rdbound.ops.distributions import TAIL, Gaussian

__all__ = ["WIDTH", "DiscretizedGaussian"]

WIDTH = 1.0 / 32
"""Of a bin, in units of the latent."""

_OCTAVE = 8  # scales an octave
_LADDER = EvenGrid(math.log(0.125), math.log(2.0) / _OCTAVE, 160)  # in bins
_WIDEST = 10 * _OCTAVE  # index of 128 bins: what lies above is told in packs
_EIGHTHS = EvenGrid(-4096.0, 0.125, 2**16)
_BAND = 2e-5  # noise of the last digit on weights and latents moves means by 1e-5 at most


@cache
def _table(index: int) -> FrequencyTable:
    sigma = float(_LADDER.scale(index))
    return table_from_mass(lambda r: Gaussian.standard_mass(r, sigma), 1 + math.ceil(TAIL * sigma))


@dataclass(frozen=True)
class DiscretizedGaussian:
    """Gaussians on the grids.

    Attributes:
      place: the bin of each mean, int64 [n].
      scale: the index of each scale, int64 [n].
    """

    place: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(
        cls, known: Gaussian, shape: tuple[int, ...], stream: Writer | Reader | None = None
    ) -> "DiscretizedGaussian":
        """The nearest ones of a latent's; agreed on where there is a stream.

        Args:
          known: NumPy arrays that broadcast to ``shape``.
          shape: of the latent.
          stream: of the guard lists; None for this machine's own.

        Raises ValueError where one is not finite.
        """
        mu, log_sigma = (
            np.broadcast_to(np.asarray(leaf, np.float64), shape).ravel() for leaf in known
        )
        if not (np.isfinite(mu).all() and np.isfinite(log_sigma).all()):
            raise ValueError("what is said of a latent is not finite: the model cannot code this")
        log_sigma = log_sigma - math.log(WIDTH)
        if stream is None:
            mean, scale = _EIGHTHS.nearest(mu)[0], _LADDER.nearest(log_sigma)[0]
        else:
            mean = agreed(stream, mu, _EIGHTHS, _BAND)
            scale = agreed(stream, log_sigma, _LADDER)
        place = np.rint(_EIGHTHS.value(mean) / WIDTH).astype(np.int64)
        return cls(place, scale.astype(np.int64))

    @property
    def _bits(self) -> np.ndarray:
        """K of each, [n]."""
        return np.maximum(0, -(-(self.scale - _WIDEST) // _OCTAVE))

    def _tables(self) -> tuple[np.ndarray, list[FrequencyTable]]:
        """(which of the tables each pack is told through [n], the tables that any is)."""
        used, groups = np.unique(self.scale - _OCTAVE * self._bits, return_inverse=True)
        return groups, [_table(int(index)) for index in used]

    def _split(self, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(the pack of each bin, which of the pack's it is)."""
        k = self._bits
        offset = bins - self.place + ((1 << k) >> 1)
        return offset >> k, offset & ((1 << k) - 1)

    def _joined(self, packs: np.ndarray, parts: np.ndarray) -> np.ndarray:
        k = self._bits
        return (packs.astype(np.int64) << k) + parts - ((1 << k) >> 1) + self.place

    def push(self, stack: BitStack, bins: np.ndarray) -> None:
        """Push int64 bins [n]; a pack beyond its table is an escape symbol."""
        packs, parts = self._split(bins)
        k = self._bits
        for bits in np.unique(k)[::-1]:
            stack.push_bits(parts[k == bits], int(bits))
        stack.push(packs, *self._tables())

    def pop(self, stack: BitStack, stream: Reader | None = None) -> np.ndarray:
        """Pop the bins, int64 [n].

        Args:
          stack: popped from.
          stream: where escaped packs are told; None takes the pack next above the table.

        Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` as
        :func:`rdbound.coding.entropy.ans_stack.read_excess`.
        """
        groups, tables = self._tables()
        packs = stack.pop(groups, tables)
        if stream is not None:
            packs = read_excess(stream, packs, groups, tables)
        k, parts = self._bits, np.zeros(len(packs), np.int64)
        for bits in np.unique(k):
            parts[k == bits] = stack.pop_bits(int((k == bits).sum()), int(bits))
        return self._joined(packs, parts)

    def write_excess(self, stream: Writer, bins: np.ndarray) -> None:
        """Tell the packs that :meth:`push` can only escape."""
        write_excess(stream, self._split(bins)[0], *self._tables())
