"""A monotone density a channel, fitted to samples: a histogram whose bins grow with the value.

Bins are even in the inverse hyperbolic sine, 0.004 wide at zero and 8 % of the value far from
it, up to ±643, the same for every channel and model. Their masses are a channel's table of
frequencies (:mod:`rdbound.coding.entropy.frequency_tables`), so that a checkpoint holds integers,
and a distribution function is the same on every machine to the last bit.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable, table_from_weights
from rdbound.ops.reproducible import portable_exp, portable_ndtr

__all__ = ["BINS", "ChannelDensities", "fitted_densities", "histogram"]

_REACH, _SCALE, _STEP = 127, 0.05, 0.08
BINS = 2 * _REACH + 1

_PRIOR_WEIGHT = 8.0  # samples that what is assumed of a channel counts for
_WIDE, _WIDE_MASS = 4.0, 0.1  # of the assumed density's heavy part


def _edges() -> np.ndarray:
    """Of the bins, float64 [BINS + 1]."""
    at = _STEP * (np.arange(BINS + 1) - BINS / 2)
    return 0.5 * _SCALE * (portable_exp(at) - portable_exp(-at))


def histogram(values: np.ndarray) -> np.ndarray:
    """How many of [n, C] fall into each bin, int64 [C, BINS]; the outermost hold all beyond."""
    place = np.clip(np.searchsorted(_edges(), values, side="right") - 1, 0, BINS - 1)
    channels = values.shape[1]
    flat = (place + BINS * np.arange(channels)).ravel()
    return np.bincount(flat, minlength=channels * BINS).reshape(channels, BINS)


def fitted_densities(counts: np.ndarray) -> list[FrequencyTable]:
    """A table a channel, of histograms [C, BINS] and a little of a density with heavy tails.

    The latter has the mean and the scale of the channel.
    """
    edges = _edges()
    middles = 0.5 * (edges[1:] + edges[:-1])
    tables = []
    for row in counts:
        total = max(row.sum(), 1)
        mean = (row * middles).sum() / total
        scale = max(((row * (middles - mean) ** 2).sum() / total) ** 0.5, _SCALE)
        narrow, wide = (np.diff(portable_ndtr((edges - mean) / s)) for s in (scale, _WIDE * scale))
        assumed = (1 - _WIDE_MASS) * narrow + _WIDE_MASS * wide
        tables.append(table_from_weights(np.append(row + _PRIOR_WEIGHT * assumed, 0.0)))
    return tables


class ChannelDensities:
    """Distribution functions of channels: linear within a bin.

    Args:
      tables: of :func:`fitted_densities`.
    """

    def __init__(self, tables: Sequence[FrequencyTable]):
        masses = np.array([table.frequencies[:BINS] for table in tables], np.float64)
        self._edges = _edges()
        below = np.concatenate([np.zeros((len(masses), 1)), np.cumsum(masses, axis=1)], axis=1)
        self._below = below / below[:, -1:]

    def cdf(self, values: np.ndarray, channel: np.ndarray) -> np.ndarray:
        """F of [n] values of channels [n], in [0, 1]."""
        inside = np.clip(values, self._edges[0], self._edges[-1])
        place = np.clip(np.searchsorted(self._edges, inside, side="right") - 1, 0, BINS - 1)
        low, high = self._edges[place], self._edges[place + 1]
        under, upto = self._below[channel, place], self._below[channel, place + 1]
        return under + (upto - under) * ((inside - low) / (high - low))

    def quantile(self, points: np.ndarray, channel: np.ndarray) -> np.ndarray:
        """F⁻¹ of [n] points in (0, 1) of channels [n]."""
        place = np.searchsorted(self._stacked, channel + points, side="right") - 1
        place = np.clip(place - (BINS + 1) * channel, 0, BINS - 1)
        low, high = self._edges[place], self._edges[place + 1]
        under, upto = self._below[channel, place], self._below[channel, place + 1]
        return low + (high - low) * ((points - under) / (upto - under))

    @property
    def spreads(self) -> np.ndarray:
        """Half the distance between the quantiles at Φ(±1), of each channel, float64 [C]."""
        channel = np.arange(len(self._below))
        tail = float(portable_ndtr(-1.0))
        low, high = (self.quantile(np.full(len(channel), p), channel) for p in (tail, 1.0 - tail))
        return 0.5 * (high - low)

    @cached_property
    def _stacked(self) -> np.ndarray:
        """All distribution functions as one that never falls: channel c goes from c to c + 1."""
        return (np.arange(len(self._below))[:, None] + self._below).ravel()
