"""Counting code points: what a checkpoint must hold for variational Bayesian quantization."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rdbound.coding.base import Coder
from rdbound.coding.codec import Codec, VectorCodec
from rdbound.coding.densities import fitted_densities, histogram
from rdbound.coding.dyadic import REACH, numbers_of
from rdbound.coding.range_coder import Writer
from rdbound.coding.tables import FrequencyTable, Tables
from rdbound.coding.vbq import ConditionalPrior, EmpiricalPrior, KnownPrior, code_lengths
from rdbound.coding.vbq_tables import (
    KNOWN,
    PENALTIES,
    PRIOR_SCALES,
    WEIGHED,
    counted_tables,
    density_key,
    points_key,
)
from rdbound.ops.distributions import Gaussian

__all__ = ["WatchingCoder", "calibrated"]

_SYMBOLS = 2 * REACH + 2
_LATENTS = 400_000  # of a level that points are counted on, drawn from all data
_ROUNDS = 8  # of choosing points by the lengths of codes and counting them again


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


class _Latents(NamedTuple):
    """Single latents, [n] each: means, scales, those of the priors, and channels."""

    mu: Any
    log_sigma: Any
    mu_hat: Any
    log_sigma_hat: Any
    channel: Any


def calibrated(
    codec: Codec | VectorCodec,
    data: Sequence[np.ndarray],
    lmbdas: Iterable[float],
    progress: Callable[[int], None] = lambda _: None,
) -> Tables:
    """The tables that the coder ``vbq`` needs of a model, counted on data.

    Densities are fitted to all means, points counted on as many latents as suffice, the same
    whenever the data are.

    Args:
      codec: of a bound whose posteriors and priors are Gaussian. Its coder is replaced.
      data: what the codec compresses, images or blocks of vectors.
      lmbdas: trade-offs; what is counted at all of them is added up.
      progress: called with the number of data seen.

    Raises ValueError for a posterior or a prior that is not Gaussian.
    """
    lmbdas, rng = tuple(lmbdas), np.random.default_rng(0)
    histograms: dict[int, np.ndarray] = {}
    drawn: dict[int, list[_Latents]] = {}
    count = -(-_LATENTS // (len(data) * len(lmbdas)))

    def see(level: int, posterior: Any, prior: Any) -> None:
        if not (isinstance(posterior, Gaussian) and isinstance(prior, Gaussian)):
            found = " and ".join(type(of).__name__ for of in (posterior, prior))
            raise ValueError(f"code points need a Gaussian posterior and prior, not {found}")
        mu = np.asarray(posterior.mu, np.float64)
        channels = mu.shape[-1]
        histograms[level] = histograms.get(level, 0) + histogram(mu.reshape(-1, channels))
        drawn.setdefault(level, []).append(_drawn(posterior, prior, min(count, mu.size), rng))

    codec.coder = WatchingCoder(see)
    for index in range(len(data)):
        for lmbda in lmbdas:
            codec.compress(data[index], lmbda)
        progress(index + 1)
    tables: dict[str, list[FrequencyTable]] = {}
    for level, parts in drawn.items():
        latents = _Latents(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        tables |= _level_tables(level, latents, fitted_densities(histograms[level]))
    return tables


def _drawn(posterior: Gaussian, prior: Gaussian, count: int, rng: np.random.Generator) -> _Latents:
    """``count`` latents of a level, any of them."""
    shape = np.shape(posterior.mu)
    which = rng.choice(int(np.prod(shape)), count, replace=False)
    arrays = (posterior.mu, posterior.log_sigma, prior.mu, prior.log_sigma, np.arange(shape[-1]))
    return _Latents(*(np.broadcast_to(np.asarray(a), shape).ravel()[which] for a in arrays))


def _level_tables(level: int, of: _Latents, densities: list[FrequencyTable]) -> Tables:
    posterior = Gaussian(of.mu, of.log_sigma)
    priors: dict[str, KnownPrior] = {
        "conditional": ConditionalPrior(Gaussian(of.mu_hat, of.log_sigma_hat), of.mu.shape),
        "empirical": EmpiricalPrior(densities, of.channel),
    }
    tables = {density_key(level): densities}
    for name in KNOWN:
        known, spread = priors[name], priors[name].spread(Writer()).astype(np.int64)
        by_bits = [_counts(known, posterior, spread, penalty, None) for penalty in PENALTIES]
        for weigh in WEIGHED:
            tables[points_key(level, name, weigh)] = counted_tables(np.array(by_bits))
        for _ in range(_ROUNDS):
            key = points_key(level, name, "codes")
            tables[key] = _again(known, posterior, spread, tables[key])
    return tables


def _again(
    known: KnownPrior, posterior: Any, spread: np.ndarray, tables: list[FrequencyTable]
) -> list[FrequencyTable]:
    """Tables of the points that are chosen by the lengths that ``tables`` give codes."""
    counts = []
    for node, penalty in enumerate(PENALTIES):
        own = tables[node * PRIOR_SCALES.levels : (node + 1) * PRIOR_SCALES.levels]
        counts.append(_counts(known, posterior, spread, penalty, own))
    return counted_tables(np.array(counts))


def _counts(
    known: KnownPrior, posterior: Any, spread: np.ndarray, penalty: float,
    tables: list[FrequencyTable] | None,
) -> np.ndarray:  # fmt: skip
    """How often each code point is taken, by the scale of the prior, [scales, symbols]."""
    lengths = None if tables is None else code_lengths(spread, tables)
    number, _ = numbers_of(known.points(posterior, penalty, lengths))
    place = np.where(np.abs(number) > REACH, _SYMBOLS - 1, number + REACH)
    found = np.bincount(_SYMBOLS * spread + place, minlength=PRIOR_SCALES.levels * _SYMBOLS)
    return found.reshape(PRIOR_SCALES.levels, _SYMBOLS)
