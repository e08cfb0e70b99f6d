"""Statistics of a bound's latents: KL divergence by channel, collapse, bits of two quantizers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rdbound.coding.codecs.base import DatumKind
from rdbound.coding.codecs.codec import datum_kind
from rdbound.coding.coders.vbq.coder import ConditionalPrior, code_lengths
from rdbound.coding.coders.vbq.symbols import lengths_of
from rdbound.coding.coders.vbq.tables import KNOWN, WEIGHED, points_key, tables_at
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.range_coder import Writer
from rdbound.models.base import LatentModel, check_lmbda
from rdbound.objective.levels import walk
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2
from rdbound.tables.channels import ChannelUse
from rdbound.utils.progress import SILENT, Progress

__all__ = [
    "ChannelShapes",
    "GaussianLevel",
    "Latents",
    "LevelLatents",
    "channel_shapes",
    "channel_uses",
    "drawn_latents",
    "gaussian_levels",
    "joined_latents",
    "latents_of",
]

_LATENTS = 1_000_000  # drawn from a level
_AT = 241  # values that densities are drawn at
_SUMMED = 1_500  # latents that a density is the mean over


class GaussianLevel(NamedTuple):
    """Posterior and prior of one level of one datum, of NumPy arrays."""

    posterior: Gaussian
    prior: Gaussian


def gaussian_levels(kind: DatumKind, datum: np.ndarray, lmbda: float) -> tuple[GaussianLevel, ...]:
    """Return the posterior and the prior of each level if posterior means are conveyed.

    Args:
      kind: the kind of datum of a bound (:func:`rdbound.coding.codecs.codec.datum_kind`).
      datum: a uint8 image [H, W, 3], or vectors [count, n].
      lmbda: λ.

    Raises:
      ValueError: if a posterior or a prior is not Gaussian, or the datum is none of this kind.
    """
    model, rate = kind.level_model(*kind.size(datum)), jnp.float32(lmbda)
    variational = model.infer(kind.array(datum), rate)

    def step(level: int, prior: Any, state: Any) -> tuple[Any, GaussianLevel]:
        posterior = model.posterior(level, state, variational[level])
        if not (isinstance(posterior, Gaussian) and isinstance(prior, Gaussian)):
            found = " and ".join(type(of).__name__ for of in (posterior, prior))
            raise ValueError(f"expected a Gaussian posterior and prior, not {found}")
        return np.asarray(posterior.mu, np.float32), GaussianLevel(posterior, prior)

    return walk(model, rate, len(variational), step).kept


class Latents(NamedTuple):
    """Single latents, [n] each: means, log-scales, those of the priors, and channels."""

    mu: Any
    log_sigma: Any
    mu_hat: Any
    log_sigma_hat: Any
    channel: Any


def drawn_latents(level: GaussianLevel, count: int, rng: np.random.Generator) -> Latents:
    """Return ``count`` latents of a level, or all if there are fewer, each at most once."""
    posterior, prior = level
    shape = np.shape(posterior.mu)
    size = int(np.prod(shape))
    which = rng.choice(size, min(count, size), replace=False)
    arrays = (posterior.mu, posterior.log_sigma, prior.mu, prior.log_sigma, np.arange(shape[-1]))
    return Latents(*(np.broadcast_to(np.asarray(a), shape).ravel()[which] for a in arrays))


def joined_latents(parts: Sequence[Latents]) -> Latents:
    """Return the latents of several parts, one after the other."""
    return Latents(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


class ChannelShapes(NamedTuple):
    """Two densities of one channel, means over the elements and images.

    Attributes:
      level, channel: indexes of the level and the channel.
      at: values of the latent, [n].
      prior: density of the prior given the earlier levels, [n].
      posterior: density of the aggregate posterior, [n].
    """

    level: int
    channel: int
    at: np.ndarray
    prior: np.ndarray
    posterior: np.ndarray


class LevelLatents(NamedTuple):
    """Latents drawn from a level, and the number of its elements for each pixel."""

    drawn: Latents
    share: float


def latents_of(
    model: LatentModel, images: Sequence[np.ndarray], lmbda: float, progress: Progress = SILENT
) -> list[LevelLatents]:
    """Return latents of each level, drawn from all images; the same images give the same latents.

    Args:
      model: a bound of images whose posteriors and priors are Gaussian.
      images: uint8 [H, W, 3].
      lmbda: λ.
      progress: shown the number of images seen.

    Raises:
      ValueError: for another posterior or prior, or a λ outside the model's range.
    """
    rng, count = np.random.default_rng(0), -(-_LATENTS // len(images))
    kind, rate = datum_kind(model), check_lmbda(lmbda, model.lmbda_range)
    parts: dict[int, list[Latents]] = {}
    elements: dict[int, int] = {}
    pixels = 0
    for index, image in enumerate(images):
        for level, found in enumerate(gaussian_levels(kind, image, rate)):
            elements[level] = elements.get(level, 0) + int(np.size(found.posterior.mu))
            parts.setdefault(level, []).append(drawn_latents(found, count, rng))
        pixels += image.shape[0] * image.shape[1]
        progress.update("looking at latents", index + 1, len(images))
    return [LevelLatents(joined_latents(parts[k]), elements[k] / pixels) for k in sorted(parts)]


def channel_uses(levels: Sequence[LevelLatents], tables: Tables) -> list[ChannelUse]:
    """Return KL divergence, offset, noise and bits of every channel of every level.

    Code points are those of penalty ln 2 by the model's prior, chosen by the lengths of
    their codes; the grid has one step for all levels, so that Σ error²/σ² is that of the code
    points, or without them Σ 1, and an ideal code a channel.

    Args:
      levels: the latents of each level (:func:`latents_of`).
      tables: the tables of the checkpoint.
    """
    coded = [_points(level, latents.drawn, tables) for level, latents in enumerate(levels)]
    known = [found for found in coded if found is not None]
    target = (
        sum(_error(latents, found[1]) for latents, found in zip(levels, known, strict=True))
        if len(known) == len(levels)
        else sum(latents.share for latents in levels)
    )
    step = _step(levels, target)
    uses = []
    for level, (latents, found) in enumerate(zip(levels, coded, strict=True)):
        bits = None if found is None else found[0]
        uses += _level_uses(level, latents, bits, step)
    return uses


def channel_shapes(level: int, latents: Latents, channel: int) -> ChannelShapes:
    """Return the densities of one channel: means over the Gaussians of some of its latents."""
    which = np.flatnonzero(latents.channel == channel)[:_SUMMED]
    mu, sigma, mu_hat, sigma_hat = (
        np.asarray(a[which], np.float64)
        for a in (
            latents.mu,
            np.exp(latents.log_sigma),
            latents.mu_hat,
            np.exp(latents.log_sigma_hat),
        )
    )
    low, high = np.quantile(np.concatenate([mu - 3 * sigma, mu + 3 * sigma]), (0.002, 0.998))
    at = np.linspace(low, high, _AT)
    return ChannelShapes(
        level, channel, at, _mean_density(at, mu_hat, sigma_hat), _mean_density(at, mu, sigma)
    )


def _mean_density(at: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the mean of Gaussian densities at ``at``."""
    z = (at[:, None] - mu) / sigma
    return (np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * sigma)).mean(1)


def _points(level: int, of: Latents, tables: Tables) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the bits and the error of each latent as code points; None without tables."""
    key = points_key(level, KNOWN[0], WEIGHED[1])
    if key not in tables:
        return None
    known = ConditionalPrior(Gaussian(of.mu_hat, of.log_sigma_hat), of.mu.shape)
    own, groups = tables_at(tables[key], LN2), known.spread(Writer()).astype(np.int64)
    points = known.points(Gaussian(of.mu, of.log_sigma), LN2, code_lengths(groups, own))
    return lengths_of(points, groups, own), known.latent(points, of.mu.shape) - of.mu


def _error(latents: LevelLatents, error: np.ndarray) -> float:
    """Return Σ error²/σ² per pixel."""
    return latents.share * float(np.mean((error * np.exp(-latents.drawn.log_sigma)) ** 2))


def _step(levels: Sequence[LevelLatents], target: float) -> float:
    """Return the step of the uniform grid whose Σ error²/σ² is ``target``."""

    def excess(step: float) -> float:
        return (
            sum(_error(one, step * np.rint(one.drawn.mu / step) - one.drawn.mu) for one in levels)
            - target
        )

    low, high = 1e-4, 1e4
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return low


def _level_uses(
    level: int, latents: LevelLatents, bits: np.ndarray | None, step: float
) -> list[ChannelUse]:
    """Return the statistics of each channel of one level."""
    of = latents.drawn
    channels = int(of.channel.max()) + 1
    prior = Gaussian(of.mu_hat, of.log_sigma_hat)
    kl = np.asarray(prior.kl_bits(Gaussian(of.mu, of.log_sigma)), np.float64)
    offset = ((of.mu - of.mu_hat) * np.exp(-of.log_sigma_hat)) ** 2
    noise = np.exp(2 * (of.log_sigma - of.log_sigma_hat))
    order = np.argsort(of.channel, kind="stable")
    groups = np.split(order, np.searchsorted(of.channel[order], np.arange(1, channels)))
    share = latents.share / channels
    return [
        ChannelUse(
            level,
            channel,
            share,
            share * float(kl[own].mean()),
            float(offset[own].mean()),
            float(noise[own].mean()),
            None if bits is None else share * float(bits[own].mean()),
            share * _entropy(np.rint(of.mu[own] / step)),
        )
        for channel, own in enumerate(groups)
    ]


def _entropy(symbols: np.ndarray) -> float:
    """Return the entropy of symbols in bits, estimated from their frequencies.

    The entropy of the frequencies is too low by some (m − 1)/(2·n) nats, with n symbols of
    m kinds (Miller 1955), which is added; for few symbols that is still too little.
    """
    counts = np.unique(symbols, return_counts=True)[1]
    p = counts / counts.sum()
    missed = (len(counts) - 1) / (2 * counts.sum() * LN2)
    return float((p * np.log2(1.0 / p)).sum() + missed)
