"""Levels of pixels by a discretized logistic distribution, with integer frequencies.

A row of 256 frequencies depends on two indexes on which encoder and decoder agree, of the mean on a
grid of quarters of a level and of the log-scale on a grid of eighths. Colours are coded in order,
since the mean of a colour depends on the earlier ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.frequency_tables import TOTAL
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import EvenGrid
from rdbound.ops.discretized_logistic import COLOURS, LOG_SCALES, PixelDistribution
from rdbound.ops.reproducible import portable_exp

__all__ = ["level_frequencies", "pop_levels", "push_levels", "read_levels", "write_levels"]

LEVELS = 256
_PARTS = 4  # values of the grid of means a level
_MEANS = EvenGrid(-64.0, 1.0 / _PARTS, _PARTS * 384)
_SCALES = EvenGrid(LOG_SCALES[0], 0.125, 65)
# Noise of the last digit on weights and latents moves means by 8e-5 of a level at most.
_BAND = 1e-4
_ROWS = 8192  # coded at once
_REACH = LEVELS + 320  # the furthest that a level lies from a mean's whole part
_FURTHEST = 40.0  # scales from the mean, where the logistic function has long ended


@cache
def _distribution() -> np.ndarray:
    """Return the frequencies below k + ½ for each part of a level and each scale.

    They are int64 [4, 65, 2·reach], of the levels between −reach and reach, less the mean's whole
    part.
    """
    edges = np.arange(-_REACH, _REACH) + 0.5
    distance = edges - np.arange(_PARTS)[:, None] / _PARTS
    scale = _SCALES.scale(np.arange(_SCALES.levels))[:, None]
    place = np.clip(distance[:, None, :] / scale, -_FURTHEST, _FURTHEST)
    value = 1.0 / (1.0 + portable_exp(-place))
    return np.floor(value * (TOTAL - LEVELS)).astype(np.int64)


def level_frequencies(mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the frequencies of the levels 0 to 255, int64 [n, 256], each at least 1.

    Each row's sum is :data:`rdbound.coding.entropy.frequency_tables.TOTAL`. The tails belong to
    the two ends.

    Args:
      mean: indexes of means, [n].
      scale: indexes of log-scales, [n].
    """
    quarters = mean.astype(np.int64) + round(_MEANS.low) * _PARTS
    whole, part = np.divmod(quarters, _PARTS)
    first = _REACH - whole
    below = np.empty((len(mean), LEVELS + 1), np.int64)
    below[:, 0], below[:, -1] = 0, TOTAL - LEVELS
    columns = first[:, None] + np.arange(LEVELS - 1)
    below[:, 1:-1] = _distribution()[part[:, None], scale.astype(np.int64)[:, None], columns]
    return np.diff(below, axis=1) + 1


@dataclass(frozen=True)
class _Places:
    """Indexes of the means and log-scales of one colour, [n] each."""

    mean: np.ndarray
    scale: np.ndarray

    def parts(self) -> list[slice]:
        """Return slices of at most :data:`_ROWS` pixels, which limit the memory."""
        return [slice(start, start + _ROWS) for start in range(0, len(self.mean), _ROWS)]

    def rows(self, part: slice) -> np.ndarray:
        """Return the probabilities of pixels, float32 [rows, 256], exact."""
        frequencies = level_frequencies(self.mean[part], self.scale[part])
        return (frequencies / TOTAL).astype(np.float32)


def _places(
    of: PixelDistribution, colour: int, levels: np.ndarray, stream: Writer | Reader
) -> _Places:
    """Return the indexes of one colour; only the colours before it are read from ``levels``."""
    h, w = levels.shape[:2]
    inside = PixelDistribution(*(np.asarray(leaf, np.float64)[:h, :w] for leaf in of))  # type: ignore[arg-type]
    mean = np.asarray(inside.mean_of(colour, levels.astype(np.float64))).ravel()
    log_scale = np.asarray(inside.log_scale[..., colour]).ravel()
    return _Places(agreed(stream, mean, _MEANS, _BAND), agreed(stream, log_scale, _SCALES))


def write_levels(of: PixelDistribution, levels: np.ndarray, stream: Writer) -> None:
    """Write an image.

    Args:
      of: distribution, NumPy arrays [H, W, 3] that may extend beyond the image.
      levels: image, uint8 [h, w, 3].
      stream: stream that is written.
    """
    for colour in range(COLOURS):
        by, own = _places(of, colour, levels, stream), levels[..., colour].ravel()
        for part in by.parts():
            stream.rows(own[part], by.rows(part))


def read_levels(of: PixelDistribution, size: tuple[int, int], stream: Reader) -> np.ndarray:
    """Return the image of (height, width) that :func:`write_levels` wrote."""
    return _decoded(of, size, stream, stream.rows)


def push_levels(of: PixelDistribution, levels: np.ndarray, stack: BitStack, stream: Writer) -> None:
    """Push an image, red last; the guard lists are written red first.

    Args:
      of: see :func:`write_levels`.
      levels: image, uint8 [h, w, 3].
      stack: stack of the levels.
      stream: stream of the guard lists.
    """
    by = [_places(of, colour, levels, stream) for colour in range(COLOURS)]
    for colour in reversed(range(COLOURS)):
        own = levels[..., colour].ravel()
        for part in reversed(by[colour].parts()):
            stack.push_rows(own[part], by[colour].rows(part))


def pop_levels(
    of: PixelDistribution, size: tuple[int, int], stack: BitStack, stream: Reader
) -> np.ndarray:
    """Return the image of (height, width) that :func:`push_levels` pushed."""
    return _decoded(of, size, stream, stack.pop_rows)


def _decoded(
    of: PixelDistribution,
    size: tuple[int, int],
    stream: Reader,
    decode: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Decode colour after colour by rows of probabilities."""
    levels = np.zeros((*size, COLOURS), np.uint8)
    for colour in range(COLOURS):
        by = _places(of, colour, levels, stream)
        found = [decode(by.rows(part)) for part in by.parts()]
        levels[..., colour] = np.concatenate(found).reshape(size)
    return levels
