"""Fixed integer probability tables.

The decoder recomputes prior scales in floating point, so nothing in a stream
may hang on their last digit: a log-scale only chooses an *index* into tables
of integer frequencies, which are part of the checkpoint.
"""

from dataclasses import dataclass
from functools import cached_property

import constriction
import numpy as np
from scipy.special import ndtr

from rdbound.ops.distributions import Mixture

__all__ = ["LEVELS", "LOG_SCALE_MIN", "LOG_SCALE_STEP", "Table", "gaussian_tables",
           "mixture_tables", "pack", "scale_indexes", "unpack"]  # fmt: skip

TOTAL = 2**20  # every table's frequencies sum to this: exact in float32
LEVELS = 64
LOG_SCALE_MIN = float(np.log(0.11))
LOG_SCALE_STEP = float(np.log(256.0 / 0.11)) / (LEVELS - 1)

_TAIL = 5.0  # a Gaussian table reaches this many standard deviations
_WIDEST = 4096  # largest symbol of a table; what lies beyond is escaped


@dataclass(frozen=True)
class Table:
    """Frequencies of the integers −m … m, and last of the escape symbol.

    ``frequencies``: int64 [2m + 2], each at least 1, summing to :data:`TOTAL`.
    """

    frequencies: np.ndarray

    @property
    def reach(self) -> int:
        """m, the largest magnitude that needs no escape."""
        return (len(self.frequencies) - 2) // 2

    @cached_property
    def model(self):
        """The entropy model of the range coder."""
        probabilities = (self.frequencies / TOTAL).astype(np.float32)
        return constriction.stream.model.Categorical(probabilities, perfect=False)


def _quantize(probabilities: np.ndarray) -> np.ndarray:
    """Positive integers summing to TOTAL, near TOTAL · probabilities; the mode takes the rest."""
    frequencies = np.maximum(1, np.floor(probabilities * TOTAL)).astype(np.int64)
    frequencies[np.argmax(frequencies)] += TOTAL - frequencies.sum()
    return frequencies


def _table(box_mass, reach: int) -> Table:
    mass = box_mass(np.arange(-reach, reach + 1, dtype=np.float64))
    return Table(_quantize(np.append(mass, max(0.0, 1.0 - mass.sum()))))


def _box(values, mu, sigma):
    """P(|N(mu, sigma²) − value| < ½), on the lower tail for precision."""
    distance = np.abs(values - mu)
    return ndtr((0.5 - distance) / sigma) - ndtr((-0.5 - distance) / sigma)


def gaussian_tables() -> list[Table]:
    """The :data:`LEVELS` tables of centred Gaussians, scales log-spaced from 0.11 to 256."""
    scales = np.exp(LOG_SCALE_MIN + LOG_SCALE_STEP * np.arange(LEVELS))
    return [
        _table(lambda r, s=s: _box(r, 0.0, s), min(_WIDEST, 1 + int(np.ceil(_TAIL * s))))
        for s in scales
    ]


def mixture_tables(prior: Mixture) -> list[Table]:
    """One table a channel of a learned density [C, K], around its centre."""
    weight = np.exp(np.asarray(prior.log_weight, np.float64))
    offset = np.asarray(prior.mu, np.float64) - np.asarray(prior.centre, np.float64)[:, None]
    sigma = np.exp(np.asarray(prior.log_sigma, np.float64))
    reach = np.ceil((np.abs(offset) + _TAIL * sigma).max(axis=1)).astype(int) + 1

    def mass(channel: int):
        return lambda r: np.sum(
            weight[channel] * _box(r[:, None], offset[channel], sigma[channel]), axis=1
        )

    return [_table(mass(c), min(_WIDEST, reach[c])) for c in range(len(weight))]


def scale_indexes(log_sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-scales → (index of the nearest table, distance to the nearest boundary).

    The distance is in units of log-scale and infinite beyond the outermost
    tables, where no neighbour exists. Both have the shape of ``log_sigma``.
    """
    place = (np.asarray(log_sigma, np.float64) - LOG_SCALE_MIN) / LOG_SCALE_STEP
    index = np.clip(np.rint(place), 0, LEVELS - 1)
    distance = (0.5 - np.abs(place - index)) * LOG_SCALE_STEP
    outside = (place < 0) | (place > LEVELS - 1)
    return index.astype(np.uint8), np.where(outside, np.inf, distance)


def pack(tables: list[Table]) -> tuple[np.ndarray, np.ndarray]:
    """Tables → (all frequencies in one int32 array, the length of each), for a checkpoint."""
    lengths = np.array([len(t.frequencies) for t in tables], np.int32)
    return np.concatenate([t.frequencies for t in tables]).astype(np.int32), lengths


def unpack(frequencies: np.ndarray, lengths: np.ndarray) -> list[Table]:
    """The inverse of :func:`pack`."""
    parts = np.split(frequencies.astype(np.int64), np.cumsum(lengths)[:-1])
    return [Table(p) for p in parts]
