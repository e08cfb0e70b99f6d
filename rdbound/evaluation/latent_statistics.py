"""What a bound's channels are used for: divergence, collapse, and the bits of two quantizers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rdbound.coding.codecs.image import Codec
from rdbound.coding.coders.vbq.coder import ConditionalPrior, code_lengths
from rdbound.coding.coders.vbq.symbols import lengths_of
from rdbound.coding.coders.vbq.tables import KNOWN, WEIGHED, points_key, tables_at
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.range_coder import Writer
from rdbound.evaluation.watching import (
    Latents,
    WatchingCoder,
    both_gaussian,
    drawn_latents,
    joined_latents,
)
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2
from rdbound.tables.channels import ChannelUse

__all__ = ["ChannelShapes", "LevelLatents", "channel_shapes", "channel_uses", "latents_of"]

_LATENTS = 1_000_000  # of a level
_AT = 241  # values that densities are drawn at
_SUMMED = 1_500  # latents that a density is the mean over


class ChannelShapes(NamedTuple):
    """Two densities of one channel, means over the elements and images.

    Attributes:
      level, channel: which.
      at: values, [n].
      prior: of p(z | what the decoder knows), [n].
      posterior: of q(z | x), the aggregate posterior, [n].
    """

    level: int
    channel: int
    at: np.ndarray
    prior: np.ndarray
    posterior: np.ndarray


class LevelLatents(NamedTuple):
    """Latents drawn from a level, and how many elements it has for each pixel."""

    drawn: Latents
    share: float


def latents_of(
    codec: Codec,
    images: Sequence[np.ndarray],
    lmbda: float,
    progress: Callable[[int], None] = lambda _: None,
) -> list[LevelLatents]:
    """Latents of each level, drawn from all images, the same whenever these are.

    Args:
      codec: of a bound whose posteriors and priors are Gaussian. Its coder is replaced.
      images: uint8 [H, W, 3].
      lmbda: the trade-off.
      progress: called with the number of images seen.

    Raises ValueError for another posterior or prior.
    """
    rng, count = np.random.default_rng(0), -(-_LATENTS // len(images))
    parts: dict[int, list[Latents]] = {}
    elements: dict[int, int] = {}

    def see(level, posterior, prior):
        both_gaussian(posterior, prior)
        size = int(np.size(posterior.mu))
        elements[level] = elements.get(level, 0) + size
        parts.setdefault(level, []).append(drawn_latents(posterior, prior, min(count, size), rng))

    codec.coder, pixels = WatchingCoder(see), 0
    for index in range(len(images)):
        codec.compress(images[index], lmbda)
        pixels += images[index].shape[0] * images[index].shape[1]
        progress(index + 1)
    return [LevelLatents(joined_latents(parts[k]), elements[k] / pixels) for k in sorted(parts)]


def channel_uses(levels: Sequence[LevelLatents], tables: Tables) -> list[ChannelUse]:
    """Every channel of every level.

    Code points are those of penalty ln 2 by the model's prior, chosen by the lengths of
    their codes; the grid has one step for all levels, so that Σ error²/σ² is that of the code
    points, or without them Σ 1, and an ideal code a channel.

    Args:
      levels: of :func:`latents_of`.
      tables: of the checkpoint.
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
    """The densities of one channel, by the mean of the Gaussians of some of its latents."""
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
    z = (at[:, None] - mu) / sigma
    return (np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * sigma)).mean(1)


def _points(level: int, of: Latents, tables: Tables) -> tuple[np.ndarray, np.ndarray] | None:
    """(bits of each latent, error); None without tables."""
    key = points_key(level, KNOWN[0], WEIGHED[1])
    if key not in tables:
        return None
    known = ConditionalPrior(Gaussian(of.mu_hat, of.log_sigma_hat), of.mu.shape)
    own, groups = tables_at(tables[key], LN2), known.spread(Writer()).astype(np.int64)
    points = known.points(Gaussian(of.mu, of.log_sigma), LN2, code_lengths(groups, own))
    return lengths_of(points, groups, own), known.latent(points, of.mu.shape) - of.mu


def _error(latents: LevelLatents, error: np.ndarray) -> float:
    """Σ error²/σ² per pixel."""
    return latents.share * float(np.mean((error * np.exp(-latents.drawn.log_sigma)) ** 2))


def _step(levels: Sequence[LevelLatents], target: float) -> float:
    """Of the grid that errs by ``target``; the error of a finer one is less."""

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
    """Of what they were drawn from, in bits, estimated from how often each is there.

    The entropy of the frequencies is too low by some (m − 1)/(2·n) nats, with n symbols of
    m kinds (Miller 1955); of few symbols what is added is too little still.
    """
    counts = np.unique(symbols, return_counts=True)[1]
    p = counts / counts.sum()
    missed = (len(counts) - 1) / (2 * counts.sum() * LN2)
    return float((p * np.log2(1.0 / p)).sum() + missed)
