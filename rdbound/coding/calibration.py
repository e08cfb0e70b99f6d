"""Counting code points: what a checkpoint must hold for variational Bayesian quantization."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rdbound.coding.base import Coder
from rdbound.coding.codec import Codec, VectorCodec
from rdbound.coding.densities import fitted_densities, histogram
from rdbound.coding.dyadic import REACH, numbers_of
from rdbound.coding.range_coder import Writer
from rdbound.coding.tables import FrequencyTable, Tables
from rdbound.coding.vbq import ConditionalPrior, EmpiricalPrior, KnownPrior
from rdbound.coding.vbq_tables import NODES, PENALTIES, PRIOR_SCALES, counted_tables, keys_of
from rdbound.ops.distributions import Gaussian

__all__ = ["WatchingCoder", "calibrated"]

_SYMBOLS = 2 * REACH + 2


class WatchingCoder(Coder):
    """Writes nothing; shows every level's posterior and prior, and conveys the means.

    Args:
      see: called with the level, its posterior and its prior.
    """

    name, code, channel, form = "watching", 255, "noiseless", "bound"

    def __init__(self, see: Callable[[int, Any, Any], None]):
        super().__init__({})
        self._see = see

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """Show, and convey the mean; see :meth:`Coder.write`."""
        self._see(level, posterior, prior)
        return np.asarray(posterior.mu, np.float32)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Any) -> np.ndarray:
        """Raise NotImplementedError: there is nothing to read."""
        raise NotImplementedError


class _Counts:
    """How often each code point was taken, by penalty and scale of the prior."""

    def __init__(self):
        self.of = np.zeros((NODES, PRIOR_SCALES.levels, _SYMBOLS), np.int64)

    def add(self, known: KnownPrior, posterior: Any) -> None:
        """The points of a latent at every penalty."""
        spread = known.spread(Writer()).astype(np.int64)
        for node, penalty in enumerate(PENALTIES):
            number, _ = numbers_of(known.points(posterior, penalty))
            place = np.where(np.abs(number) > REACH, _SYMBOLS - 1, number + REACH)
            found = np.bincount(_SYMBOLS * spread + place, minlength=self.of[node].size)
            self.of[node] += found.reshape(self.of[node].shape)


def calibrated(
    codec: Codec | VectorCodec,
    data: Sequence[np.ndarray],
    lmbdas: Iterable[float],
    progress: Callable[[int], None] = lambda _: None,
) -> Tables:
    """The tables that the coder ``vbq`` needs of a model, counted on data.

    The data are seen twice at every λ: densities are fitted to the means first, then points
    are counted.

    Args:
      codec: of a bound whose posteriors are Gaussian. Its coder is replaced.
      data: what the codec compresses, images or blocks of vectors.
      lmbdas: trade-offs; what is counted at all of them is added up.
      progress: called with the number of data seen, twice that of all at the end.

    Raises ValueError for a posterior that is not Gaussian.
    """
    lmbdas = tuple(lmbdas)
    histograms: dict[int, np.ndarray] = {}
    counts: dict[str, _Counts] = {}

    def fit(level: int, posterior: Any, prior: Any) -> None:
        if not isinstance(posterior, Gaussian):
            raise ValueError(
                f"code points need a Gaussian posterior, not {type(posterior).__name__}"
            )
        mu = np.asarray(posterior.mu, np.float64)
        histograms[level] = histograms.get(level, 0) + histogram(mu.reshape(-1, mu.shape[-1]))
        if isinstance(prior, Gaussian):
            add(keys_of(level).conditional, ConditionalPrior(prior, mu.shape), posterior)

    def add(key: str, known: KnownPrior, posterior: Any) -> None:
        counts.setdefault(key, _Counts()).add(known, posterior)

    _watch(codec, data, lmbdas, fit, progress)
    densities = {level: fitted_densities(found) for level, found in histograms.items()}

    def count(level: int, posterior: Any, prior: Any) -> None:
        known = EmpiricalPrior(densities[level], np.shape(posterior.mu))
        add(keys_of(level).empirical, known, posterior)

    _watch(codec, data, lmbdas, count, lambda seen: progress(len(data) + seen))
    tables: dict[str, list[FrequencyTable]] = {
        key: counted_tables(found.of) for key, found in counts.items()
    }
    return tables | {keys_of(level).density: of for level, of in densities.items()}


def _watch(
    codec: Codec | VectorCodec, data: Sequence[np.ndarray], lmbdas: tuple[float, ...],
    see: Callable[[int, Any, Any], None], progress: Callable[[int], None],
) -> None:  # fmt: skip
    codec.coder = WatchingCoder(see)
    for index in range(len(data)):
        for lmbda in lmbdas:
            codec.compress(data[index], lmbda)
        progress(index + 1)
