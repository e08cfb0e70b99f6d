"""Counting code points: what a checkpoint must hold for variational Bayesian quantization."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rdbound.coding.codecs.image import Codec
from rdbound.coding.codecs.vectors import VectorCodec
from rdbound.coding.coders.vbq.coder import (
    ConditionalPrior,
    EmpiricalPrior,
    KnownPrior,
    code_lengths,
)
from rdbound.coding.coders.vbq.empirical_prior import fitted_densities, histogram
from rdbound.coding.coders.vbq.tables import (
    KNOWN,
    PENALTIES,
    PRIOR_SCALES,
    WEIGHED,
    counted_tables,
    density_key,
    points_key,
    tables_at,
)
from rdbound.coding.entropy.frequency_tables import FrequencyTable, Tables
from rdbound.coding.entropy.range_coder import Writer
from rdbound.evaluation.watching import (
    Latents,
    WatchingCoder,
    both_gaussian,
    drawn_latents,
    joined_latents,
)
from rdbound.ops.code_points import SYMBOLS, symbols_of
from rdbound.ops.distributions import Gaussian

__all__ = ["calibrated"]

_LATENTS = 400_000  # of a level that points are counted on, drawn from all data
_ROUNDS = 8  # of choosing points by the lengths of codes and counting them again


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
    drawn: dict[int, list[Latents]] = {}
    count = -(-_LATENTS // (len(data) * len(lmbdas)))

    def see(level: int, posterior: Any, prior: Any) -> None:
        both_gaussian(posterior, prior)
        mu = np.asarray(posterior.mu, np.float64)
        channels = mu.shape[-1]
        histograms[level] = histograms.get(level, 0) + histogram(mu.reshape(-1, channels))
        drawn.setdefault(level, []).append(
            drawn_latents(posterior, prior, min(count, mu.size), rng)
        )

    codec.coder = WatchingCoder(see)
    for index in range(len(data)):
        for lmbda in lmbdas:
            codec.compress(data[index], lmbda)
        progress(index + 1)
    tables: dict[str, list[FrequencyTable]] = {}
    for level, parts in drawn.items():
        tables |= _level_tables(level, joined_latents(parts), fitted_densities(histograms[level]))
    return tables


def _level_tables(level: int, of: Latents, densities: list[FrequencyTable]) -> Tables:
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
    counts = [
        _counts(known, posterior, spread, penalty, tables_at(tables, penalty))
        for penalty in PENALTIES
    ]
    return counted_tables(np.array(counts))


def _counts(
    known: KnownPrior,
    posterior: Any,
    spread: np.ndarray,
    penalty: float,
    tables: list[FrequencyTable] | None,
) -> np.ndarray:
    """How often each code point is taken, by the scale of the prior, [scales, symbols]."""
    lengths = None if tables is None else code_lengths(spread, tables)
    place = symbols_of(known.points(posterior, penalty, lengths))
    found = np.bincount(SYMBOLS * spread + place, minlength=PRIOR_SCALES.levels * SYMBOLS)
    return found.reshape(PRIOR_SCALES.levels, SYMBOLS)
