"""Levels of pixels by the distribution that a decoder says: integer frequencies, row by row.

A row of 256 frequencies hangs on two indexes, of the mean on a grid of quarters of a level and
of the log-scale on one of eighths, which both sides agree on. Colours come in order, since the
mean of a later one leans on the earlier.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

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
_PARTS = 4  # of a level, that means are told apart to
_MEANS = EvenGrid(-64.0, 1.0 / _PARTS, _PARTS * 384)
_SCALES = EvenGrid(LOG_SCALES[0], 0.125, 65)
# Noise of the last digit on weights and latents moves means by 8e-5 of a level at most.
_BAND = 1e-4
_ROWS = 8192  # at once
_REACH = LEVELS + 320  # the furthest that a level lies from a mean's whole part
_FURTHEST = 40.0  # scales from the mean, where the logistic function has long ended


@cache
def _distribution() -> np.ndarray:
    """Of each part of a level and each scale, the frequencies below k + ½, int64 [4, 65, 2·reach].

    They are of the levels between −reach and reach, less the mean's whole part.
    """
    edges = np.arange(-_REACH, _REACH) + 0.5
    distance = edges - np.arange(_PARTS)[:, None] / _PARTS
    scale = _SCALES.scale(np.arange(_SCALES.levels))[:, None]
    place = np.clip(distance[:, None, :] / scale, -_FURTHEST, _FURTHEST)
    value = 1.0 / (1.0 + portable_exp(-place))
    return np.floor(value * (TOTAL - LEVELS)).astype(np.int64)


def level_frequencies(mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The frequencies of the levels 0 to 255, int64 [n, 256], each at least 1.

    Each row's sum is :data:`rdbound.coding.entropy.frequency_tables.TOTAL`. What lies beyond the
    two ends is theirs.

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
    """Indexes of means and of log-scales, [n] each: what one colour is coded by."""

    mean: np.ndarray
    scale: np.ndarray

    def parts(self) -> list[slice]:
        """So many at once as memory is spent on."""
        return [slice(start, start + _ROWS) for start in range(0, len(self.mean), _ROWS)]

    def rows(self, part: slice) -> np.ndarray:
        """Probabilities, float32 [rows, 256], exact."""
        frequencies = level_frequencies(self.mean[part], self.scale[part])
        return (frequencies / TOTAL).astype(np.float32)


def _places(
    of: PixelDistribution, colour: int, levels: np.ndarray, stream: Writer | Reader
) -> _Places:
    """What one colour is coded by; of ``levels`` only the colours before it are read."""
    h, w = levels.shape[:2]
    inside: Any = PixelDistribution(*(np.asarray(leaf, np.float64)[:h, :w] for leaf in of))  # type: ignore[arg-type]
    mean = inside.mean_of(colour, levels.astype(np.float64)).ravel()
    log_scale = np.asarray(inside.log_scale[..., colour]).ravel()
    return _Places(agreed(stream, mean, _MEANS, _BAND), agreed(stream, log_scale, _SCALES))


def write_levels(of: PixelDistribution, levels: np.ndarray, stream: Writer) -> None:
    """Write an image.

    Args:
      of: the distribution, NumPy arrays [H, W, 3] that may go beyond the image.
      levels: uint8 [h, w, 3].
      stream: written to.
    """
    for colour in range(COLOURS):
        by, own = _places(of, colour, levels, stream), levels[..., colour].ravel()
        for part in by.parts():
            stream.rows(own[part], by.rows(part))


def read_levels(of: PixelDistribution, size: tuple[int, int], stream: Reader) -> np.ndarray:
    """The image of (height, width) that :func:`write_levels` wrote."""
    return _told(of, size, stream, stream.rows)


def push_levels(of: PixelDistribution, levels: np.ndarray, stack: BitStack, stream: Writer) -> None:
    """Push an image, red last; what it is coded by is agreed on in the stream, red first.

    Args:
      of: see :func:`write_levels`.
      levels: uint8 [h, w, 3].
      stack: pushed on.
      stream: of the guard lists.
    """
    by = [_places(of, colour, levels, stream) for colour in range(COLOURS)]
    for colour in reversed(range(COLOURS)):
        own = levels[..., colour].ravel()
        for part in reversed(by[colour].parts()):
            stack.push_rows(own[part], by[colour].rows(part))


def pop_levels(
    of: PixelDistribution, size: tuple[int, int], stack: BitStack, stream: Reader
) -> np.ndarray:
    """The image of (height, width) that :func:`push_levels` pushed."""
    return _told(of, size, stream, stack.pop_rows)


def _told(
    of: PixelDistribution,
    size: tuple[int, int],
    stream: Reader,
    decode: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Colour after colour by ``decode`` of rows of probabilities."""
    levels = np.zeros((*size, COLOURS), np.uint8)
    for colour in range(COLOURS):
        by = _places(of, colour, levels, stream)
        found = [decode(by.rows(part)) for part in by.parts()]
        levels[..., colour] = np.concatenate(found).reshape(size)
    return levels
