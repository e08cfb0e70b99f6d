"""The coder of the layered channel: exact samples of a Gaussian, in constant time.

A dithered quantizer whose step is drawn from the shared randomness: 2·s·√χ²₃, so that its
error is N(0, s²) exactly and independent of what is conveyed (Wilson 2000; Hegazy & Li 2022).
So the channel of a bound is run as a codec, on whole images.
"""

from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from rdbound.channels.prior_scaled import prior_scaled
from rdbound.coding.base import Coder
from rdbound.coding.dithered import Seed, check_seed, read_boxes, write_boxes
from rdbound.coding.grid import SCALES, EvenGrid
from rdbound.coding.guard import agreed
from rdbound.coding.range_coder import Reader, UnreadableError, Writer
from rdbound.coding.shared import dither, shared_integers
from rdbound.coding.shifted import ScaledBoxes
from rdbound.coding.tables import Tables, gaussian_tables
from rdbound.ops.distributions import Gaussian
from rdbound.ops.prior_scaled import NOISES, PriorScaled

__all__ = ["LayeredCoder"]

_WIDTHS = 2**16
# Of the mean's prior over the step: far narrower than a latent's where a latent says little.
_RATIOS = EvenGrid(SCALES.low - 72 * SCALES.step, SCALES.step, SCALES.levels + 72)


class LayeredCoder(Coder):
    """μ + N(0, s²) by the range coder, s known to the decoder.

    Of a level are written the noise of each channel, from which with the prior's scale s
    follows (:mod:`rdbound.ops.prior_scaled`), the guard list, and the indexes, each with the
    probability of its box under the prior of the mean N(μ̂, σ̂² − s²).

    Args:
      tables: not used.
      seed: of dithers and steps. Two data coded with one seed have the same.

    Raises ValueError for a seed out of range.
    """

    name = "layered"
    code = 2
    channel = "layered"
    form = "bound"

    def __init__(self, tables: Tables, seed: Seed = 0):
        super().__init__(tables)
        self.seed = check_seed(self.name, seed)
        self._boxes = ScaledBoxes(Gaussian.standard_mass, _RATIOS)
        self._noises = gaussian_tables()

    @property
    def parameters(self) -> dict[str, Any]:
        """The seed, where it is not 0."""
        return {"seed": self.seed} if self.seed else {}

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """See :meth:`Coder.write`; of the posterior's scales one number a channel is kept.

        Args: as there. Raises ValueError for a latent that is not finite or too large, and
        for a prior that is not Gaussian.
        """
        scaled = prior_scaled(posterior, prior)
        mu, log_noise = np.asarray(scaled.mu), np.asarray(scaled.log_noise)
        place = np.abs(log_noise[:, None] - NOISES).argmin(1)
        _write_noises(stream, place, self._noises)
        chi, u, index = self._shared(level, prior, place, mu.shape, stream)
        width = _widths(prior, place, mu.shape, chi)
        residual = (mu - prior.mu).astype(np.float64).ravel()
        k = write_boxes(stream, residual / width - u, u, self._boxes, index)
        return _latent(k, u, width, prior, mu.shape)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """See :meth:`Coder.read`.

        Args: as there. Raises :class:`rdbound.coding.range_coder.UnreadableError` for a
        noise, a guard list or a symbol that no writer writes.
        """
        place = _read_noises(stream, shape[-1], self._noises)
        chi, u, index = self._shared(level, prior, place, shape, stream)
        k = read_boxes(stream, u, self._boxes, index)
        return _latent(k, u, _widths(prior, place, shape, chi), prior, shape)

    def _shared(
        self,
        level: int,
        prior: Any,
        place: np.ndarray,
        shape: tuple[int, ...],
        stream: Writer | Reader,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(χ, the dither, the number of the box's scale) of each element, [n]."""
        numbers = shared_integers(self.seed, level, int(np.prod(shape)))
        chi = _chis()[numbers & np.uint64(_WIDTHS - 1)]
        ratio = np.asarray(prior.log_sigma, np.float64) - NOISES[place]
        ratio = np.broadcast_to(ratio, shape).ravel() - np.log(2.0 * chi)
        return chi, dither(numbers), agreed(stream, ratio, _RATIOS)


def _write_noises(stream: Writer, place: np.ndarray, tables: list) -> None:
    """The number of each channel's noise [C], around their median."""
    centre = int(np.median(place))
    spread = int(SCALES.nearest(np.log(np.std(place - centre) + 0.2))[0])
    stream.integer(centre, len(NOISES))
    stream.integer(spread, SCALES.levels)
    stream.symbols((place - centre).astype(np.int32), np.zeros(len(place), int), [tables[spread]])


def _read_noises(stream: Reader, channels: int, tables: list) -> np.ndarray:
    centre, spread = stream.integer(len(NOISES)), stream.integer(SCALES.levels)
    place = centre + stream.symbols(np.zeros(channels, int), [tables[spread]])
    if (place < 0).any() or (place >= len(NOISES)).any():
        raise UnreadableError("a noise that there is not")
    return place


@cache
def _chis() -> np.ndarray:
    """The middle quantiles of √χ²₃, float64 [_WIDTHS]."""
    return stats.chi.ppf((np.arange(_WIDTHS) + 0.5) / _WIDTHS, 3)


def _widths(prior: Any, place: np.ndarray, shape: tuple[int, ...], chi: np.ndarray) -> np.ndarray:
    scaled = PriorScaled(np.zeros(shape, np.float32), NOISES[place])  # type: ignore[arg-type]
    log_sigma = np.asarray(scaled.given(prior).log_sigma, np.float64)
    return 2.0 * chi * np.exp(log_sigma).ravel()


def _latent(k, u, width, prior, shape) -> np.ndarray:
    return (width * (k + u)).reshape(shape).astype(np.float32) + prior.mu
