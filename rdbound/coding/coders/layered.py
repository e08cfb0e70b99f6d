"""The coder of the layered channel: exact samples of a Gaussian, in constant time.

A dithered quantizer whose step is drawn from the shared randomness: 2·s·√χ²₃, so that its
error is N(0, s²) exactly and independent of the latent's mean (Wilson 2000; Hegazy & Li 2022).
It runs the channel of a bound as a codec, on whole images.
"""

from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from rdbound.channels.layered import prior_scaled
from rdbound.coding.coders.seeded import SeededCoder
from rdbound.coding.entropy.dithered_tables import ScaledBins, latent_at, read_bins, write_bins
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.integer_codes import read_clustered, write_clustered
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import SCALES, EvenGrid
from rdbound.coding.entropy.shared_randomness import dither, shared_integers
from rdbound.ops.distributions import Gaussian
from rdbound.ops.layered_quantizer import layered_fit
from rdbound.ops.tied_scale import NOISES, SPREADS, PriorScaled

__all__ = ["LayeredCoder"]

_WIDTHS = 2**16
# Scales of the mean's prior over the step: far smaller than a latent's if its KL is small.
_RATIOS = EvenGrid(SCALES.low - 72 * SCALES.step, SCALES.step, SCALES.levels + 72)


class LayeredCoder(SeededCoder):
    """Write μ + N(0, s²) with the range coder; the decoder knows s.

    For each level the noise of each channel is written, from which s follows with the prior's
    scale, and its spread (:mod:`rdbound.ops.tied_scale`), then the guard list, and the indexes,
    each with the probability of its bin under the prior of the mean.

    Args:
      tables: the checkpoint's tables; not used.
      seed: seed of dithers and steps. Two data coded with one seed have the same.

    Raises:
      ValueError: for a seed out of range.
    """

    name = "layered"
    code = 2
    channel = "layered"
    form = "bound"

    def __init__(self, tables: Tables, seed: int = 0):
        super().__init__(tables, seed=seed)
        self._boxes = ScaledBins(Gaussian.standard_mass, _RATIOS)

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """Write a sample; of the posterior's scales two numbers a channel are kept.

        See :meth:`Coder.write`.

        Raises:
          ValueError: for a latent that is not finite or too large, and for a prior that is not
            Gaussian.
        """
        wanted = prior_scaled(posterior, prior, layered_fit)
        mu = np.asarray(wanted.mu)
        log_noise = _write_numbers(stream, wanted.log_noise, NOISES, mu.shape)
        log_spread = _write_numbers(stream, wanted.log_spread, SPREADS, mu.shape)
        scaled = PriorScaled(wanted.mu, log_noise, log_spread)
        width, u, index = self._shared(level, scaled, prior, stream)
        residual = (mu - prior.mu).astype(np.float64).ravel()
        k = write_bins(stream, residual / width - u, u, self._boxes, index)
        return latent_at(width * (k + u), prior, mu.shape)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """Read a sample. See :meth:`Coder.read`."""
        log_noise = _read_numbers(stream, NOISES, shape)
        log_spread = _read_numbers(stream, SPREADS, shape)
        unknown: Any = np.zeros(shape, np.float32)
        scaled = PriorScaled(unknown, log_noise, log_spread)
        width, u, index = self._shared(level, scaled, prior, stream)
        k = read_bins(stream, u, self._boxes, index)
        return latent_at(width * (k + u), prior, shape)

    def _shared(
        self, level: int, scaled: PriorScaled, prior: Any, stream: Writer | Reader
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the step, the dither and the index of the bin's scale of each element, [n]."""
        numbers = shared_integers(self.seed, level, scaled.mu.size)
        twice = 2.0 * _chis()[numbers & np.uint64(_WIDTHS - 1)]
        log_sigma = np.asarray(scaled.given(prior).log_sigma, np.float64).ravel()
        log_ratio = np.asarray(scaled.log_ratio(prior), np.float64).ravel()
        width = twice * np.exp(log_sigma)
        ratio = log_ratio - np.log(twice)
        return width, dither(numbers), agreed(stream, ratio, _RATIOS)


def _write_numbers(stream: Writer, values: Any, grid: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Write for each channel the nearest value of the grid, and return these values [C]."""
    values = np.broadcast_to(np.asarray(values), shape[-1:])
    place = np.abs(values[:, None] - grid).argmin(1)
    write_clustered(stream, place, len(grid))
    return grid[place]


def _read_numbers(stream: Reader, grid: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Read what :func:`_write_numbers` wrote."""
    return grid[read_clustered(stream, shape[-1], len(grid))]


@cache
def _chis() -> np.ndarray:
    """Return the middle quantiles of √χ²₃, float64 [_WIDTHS]."""
    return stats.chi.ppf((np.arange(_WIDTHS) + 0.5) / _WIDTHS, 3)
