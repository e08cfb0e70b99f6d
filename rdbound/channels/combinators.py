"""Channels made of other channels: a pair, one per level, and bins at the integers."""

from dataclasses import replace
from typing import Annotated, Any

from jaxtyping import Array, Float, PRNGKeyArray
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

        sample = STE(round(r)) + μ̂,  bits = −log₂ of the bin at r + u + μ̂, u ~ U(−½, ½)

    The rate then belongs to a sample that is not the one conveyed: a surrogate
    to train with, not a point to report.
    """

    sample: Channel
    bits: Channel

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether one of the two is random."""
        return self.sample.random or self.bits.random

    @property
    def pools(self) -> bool:  # type: ignore[override]
        """Whether one of the two pools positions."""
        return self.sample.pools or self.bits.pools

    def __call__(self, posterior: Any, prior: Any, key: PRNGKeyArray) -> Conveyed:
        """Convey by both channels with the same key."""
        return Conveyed(
            self.sample(posterior, prior, key).sample, self.bits(posterior, prior, key).bits
        )

    def at(self, progress: float | Float[Array, ""]) -> "CombinedChannel":
        """Return the combination of both channels at ``progress``."""
        return CombinedChannel(self.sample.at(progress), self.bits.at(progress))

    def at_level(self, level: int) -> "CombinedChannel":
        """Return the combination of both channels of ``level``."""
        return CombinedChannel(self.sample.at_level(level), self.bits.at_level(level))


@dataclass(frozen=True, config=OPTIONS)
class PerLevelChannel(Channel):
    """A channel for each level of a model; the last serves all further ones.

    Hyperlatents with uniform noise and y by SGA, for example. The objective takes
    :meth:`at_level`, so that the channel serves a model of any depth.

    Attributes:
      levels: at least one channel.
    """

    levels: Annotated[tuple[Channel, ...], Field(min_length=1)]

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether a channel of any level is random."""
        return any(channel.random for channel in self.levels)

    @property
    def pools(self) -> bool:  # type: ignore[override]
        """Whether a channel of any level pools positions."""
        return any(channel.pools for channel in self.levels)

    def __call__(self, posterior: Any, prior: Any, key: PRNGKeyArray) -> Conveyed:
        """Raise ValueError: the level is unknown before :meth:`at_level`."""
        raise ValueError("a channel per level conveys nothing itself: choose one with at_level")

    def at(self, progress: float | Float[Array, ""]) -> "PerLevelChannel":
        """Return the channels of all levels at ``progress``."""
        return PerLevelChannel(tuple(channel.at(progress) for channel in self.levels))

    def at_level(self, level: int) -> Channel:
        """Return the channel of ``level``."""
        return self.levels[min(level, len(self.levels) - 1)]


def anchored(prior: Any) -> Anchored:
    """Return a Gaussian prior with its bins at the integers instead of around its mean.

    Raises:
      ValueError: The prior is not Gaussian.
    """
    if not isinstance(prior, Gaussian):
        raise ValueError(f"bins of the integers need a Gaussian prior, not {type(prior).__name__}")
    return Anchored(prior.mu, prior.log_sigma)


@dataclass(frozen=True, config=OPTIONS)
class AnchoredChannel(Channel):
    """Another channel with the prior's bins at the integers, not around its mean.

    A decoder with bits-back reads the integers of a latent first and infers the level before
    them from these (Yang, Bamler & Mandt 2020, algorithm 1): so the integers may not depend
    on that level.

    Attributes:
      of: any channel of unit bins.
    """

    of: Channel

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether the other channel is random."""
        return self.of.random

    @property
    def pools(self) -> bool:  # type: ignore[override]
        """Whether the other channel pools positions."""
        return self.of.pools

    def __call__(self, posterior: Any, prior: Any, key: PRNGKeyArray) -> Conveyed:
        """Convey by the other channel; raise ValueError unless the prior is Gaussian."""
        return self.of(posterior, anchored(prior), key)

    def at(self, progress: float | Float[Array, ""]) -> "AnchoredChannel":
        """Return the same around the other channel at ``progress``."""
        return replace(self, of=self.of.at(progress))

    def at_level(self, level: int) -> "AnchoredChannel":
        """Return the same around the other channel of ``level``."""
        return replace(self, of=self.of.at_level(level))
