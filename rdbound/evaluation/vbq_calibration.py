"""Counted code points: the tables of a checkpoint for variational Bayesian quantization."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rdbound.coding.codecs.codec import datum_kind
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
from rdbound.evaluation.latent_statistics import (
    GaussianLevel,
    Latents,
    drawn_latents,
    gaussian_levels,
    joined_latents,
)
from rdbound.models.base import LatentModel, check_lmbda
from rdbound.ops.code_points import SYMBOLS, symbols_of
from rdbound.ops.distributions import Gaussian
from rdbound.utils.progress import SILENT, Progress

__all__ = ["calibrated", "counted"]

_LATENTS = 400_000  # latents of a level that points are counted on, drawn from all data
_ROUNDS = 8  # rounds of choosing points by the lengths of codes and counting them again


def calibrated(
    model: LatentModel,
    data: Sequence[np.ndarray],
    lmbdas: Iterable[float],
    progress: Progress = SILENT,
) -> Tables:
    """Return the tables of code points that the coder ``vbq`` needs, counted on data.

    The same data give the same tables.

    Args:
      model: a bound whose posteriors and priors are Gaussian.
      data: uint8 images, or blocks of vectors.
      lmbdas: values of λ; the counts at all of them are added up.
      progress: shown the number of data seen.

    Raises:
      ValueError: for a posterior or a prior that is not Gaussian, or a λ outside the model's range.
    """
    rates, kind = [check_lmbda(lmbda, model.lmbda_range) for lmbda in lmbdas], datum_kind(model)

    def passes() -> Iterator[tuple[GaussianLevel, ...]]:
        for index, datum in enumerate(data):
            for rate in rates:
                yield gaussian_levels(kind, datum, rate)
            progress.update("counting code points", index + 1, len(data))

    return counted(passes(), len(data) * len(rates))


def counted(passes: Iterable[Sequence[GaussianLevel]], count: int) -> Tables:
    """Return the tables of code points of given posteriors and priors.

    Densities are fitted to all means, points counted on as many latents as suffice.

    Args:
      passes: the levels of each datum at each λ.
      count: the number of passes.
    """
    rng, drawn_each = np.random.default_rng(0), -(-_LATENTS // count)
    histograms: dict[int, np.ndarray] = {}
    drawn: dict[int, list[Latents]] = {}
    for levels in passes:
        for level, found in enumerate(levels):
            mu = np.asarray(found.posterior.mu, np.float64)
            own = histogram(mu.reshape(-1, mu.shape[-1]))
            histograms[level] = histograms.get(level, 0) + own
            drawn.setdefault(level, []).append(drawn_latents(found, drawn_each, rng))
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
    """Return tables of the points that are chosen by the code lengths of ``tables``."""
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
    """Return how often each code point is chosen, by the scale of the prior, [scales, symbols]."""
    lengths = None if tables is None else code_lengths(spread, tables)
    place = symbols_of(known.points(posterior, penalty, lengths))
    found = np.bincount(SYMBOLS * spread + place, minlength=PRIOR_SCALES.levels * SYMBOLS)
    return found.reshape(PRIOR_SCALES.levels, SYMBOLS)
