"""A channel of the integers themselves: what is conveyed before its prior is known."""

from dataclasses import dataclass, replace
from typing import Any

import jax

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Anchored, Gaussian

__all__ = ["AnchoredChannel", "anchored"]


def anchored(prior: Any) -> Anchored:
    """The prior with the boxes of the integers; raises ValueError for one that is not Gaussian."""
    if not isinstance(prior, Gaussian):
        raise ValueError(f"boxes of the integers need a Gaussian prior, not {type(prior).__name__}")
    return Anchored(prior.mu, prior.log_sigma)


@dataclass(frozen=True)
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
