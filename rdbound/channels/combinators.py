"""Channels made of channels: one's sample with another's bits, and one a level.

A channel of the integers themselves: what is conveyed before its prior is known.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import jax
from pydantic import Field
from pydantic.dataclasses import dataclass

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Anchored, Gaussian
from rdbound.utils.registry import OPTIONS

__all__ = ["AnchoredChannel", "CombinedChannel", "PerLevelChannel", "anchored"]


@dataclass(frozen=True, config=OPTIONS)
class CombinedChannel(Channel):
    """The sample of one channel and the bits of another, both from the same key.

    ``mixed`` is straight-through's sample with uniform noise's bits, the
    surrogate most codecs are trained with (Minnen & Singh 2020, §3.3):
    synthesis and later levels see what they will see at run time, the rate
    stays differentiable. With r = μ − μ̂ it is

        sample = STE(round(r)) + μ̂,  bits = −log₂ of the box at r + u + μ̂, u ~ U(−½, ½)

    The rate then belongs to a sample that is not the one conveyed: a surrogate
    to train with, not a point to report.
    """

    sample: Channel
    bits: Channel

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether either is."""
        return self.sample.random or self.bits.random

    def __call__(self, posterior: Any, prior: Any, key: jax.Array) -> Conveyed:
        """Convey by both."""
        return Conveyed(
            self.sample(posterior, prior, key).sample, self.bits(posterior, prior, key).bits
        )

    def at(self, step: jax.Array | int) -> "CombinedChannel":
        """Both at ``step``."""
        return CombinedChannel(self.sample.at(step), self.bits.at(step))

    def at_level(self, level: int) -> "CombinedChannel":
        """Both at ``level``."""
        return CombinedChannel(self.sample.at_level(level), self.bits.at_level(level))

    def temperature_at(self, step: int) -> float | None:
        """The warmer of the two; None where neither is annealed."""
        return _warmest((self.sample, self.bits), step)


@dataclass(frozen=True, config=OPTIONS)
class PerLevelChannel(Channel):
    """A channel for each level of a model; the last serves all further ones.

    Hyperlatents with uniform noise and y by SGA, for example. The objective asks for
    :meth:`at_level`, so that a model of any depth is served. Raises ValueError
    where there is none.
    """

    levels: Annotated[tuple[Channel, ...], Field(min_length=1)]

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether any is."""
        return any(channel.random for channel in self.levels)

    def __call__(self, posterior: Any, prior: Any, key: jax.Array) -> Conveyed:
        """Of no single latent; raises ValueError: take :meth:`at_level` first."""
        raise ValueError("a channel per level conveys nothing itself: choose one with at_level")

    def at(self, step: jax.Array | int) -> "PerLevelChannel":
        """All at ``step``."""
        return PerLevelChannel(tuple(channel.at(step) for channel in self.levels))

    def at_level(self, level: int) -> Channel:
        """The channel of ``level``."""
        return self.levels[min(level, len(self.levels) - 1)]

    def temperature_at(self, step: int) -> float | None:
        """The warmest of them; None where none is annealed."""
        return _warmest(self.levels, step)


def _warmest(channels: Sequence[Channel], step: int) -> float | None:
    found = [channel.temperature_at(step) for channel in channels]
    return max((t for t in found if t is not None), default=None)


def anchored(prior: Any) -> Anchored:
    """The prior with the boxes of the integers; raises ValueError for one that is not Gaussian."""
    if not isinstance(prior, Gaussian):
        raise ValueError(f"boxes of the integers need a Gaussian prior, not {type(prior).__name__}")
    return Anchored(prior.mu, prior.log_sigma)


@dataclass(frozen=True, config=OPTIONS)
class AnchoredChannel(Channel):
    """Another channel with the prior's boxes at the integers, not around its mean.

    A decoder with bits-back learns the integers of a latent first and then infers what was
    conveyed before them (Yang, Bamler & Mandt 2020, algorithm 1): so they may not depend on it.

    Attributes:
      of: any channel of unit boxes.
    """

    of: Channel

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether the other is."""
        return self.of.random

    def __call__(self, posterior: Any, prior: Any, key: jax.Array) -> Conveyed:
        """Convey; raises ValueError for a prior that is not Gaussian."""
        return self.of(posterior, anchored(prior), key)

    def at(self, step: jax.Array | int) -> "AnchoredChannel":
        """The other at ``step``."""
        return replace(self, of=self.of.at(step))

    def at_level(self, level: int) -> "AnchoredChannel":
        """The other at ``level``."""
        return replace(self, of=self.of.at_level(level))

    def temperature_at(self, step: int) -> float | None:
        """The other's."""
        return self.of.temperature_at(step)
