"""The mixed channel: rounded into synthesis, noisy into the rate."""

from dataclasses import dataclass
from typing import Self

import jax

from rdbound.channels.base import Conveyed
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.rounding import straight_through_round

__all__ = ["MixedChannel"]


@dataclass(frozen=True)
class MixedChannel:
    """With r = μ − μ̂: sample = STE(round(r)) + μ̂, bits = −log₂ of the box at r + u.

    The surrogate most codecs are trained with (Minnen & Singh 2020, §3.3):
    synthesis and later levels see what they will see at run time, the rate
    stays differentiable.
    """

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey; the posterior's scale is not used."""
        mu = posterior.mu
        sample = straight_through_round(mu - prior.centre) + prior.centre
        noisy = mu + jax.random.uniform(key, mu.shape, mu.dtype, -0.5, 0.5)
        return Conveyed(sample, prior.box_bits(noisy))

    def at(self, step: jax.Array) -> Self:
        """Itself: nothing is annealed."""
        return self
