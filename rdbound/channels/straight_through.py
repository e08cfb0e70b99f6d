"""The straight-through channel: rounding with the gradient of the identity."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.quantization import straight_through_round

__all__ = ["StraightThroughChannel"]


@dataclass(frozen=True)
class StraightThroughChannel(Channel):
    """With r = μ − μ̂: sample = STE(round(r)) + μ̂, bits = −log₂ P of the integer bin.

    The value of the rounding channel, with a gradient (Bengio, Léonard &
    Courville 2013; A2 of Yang, Bamler & Mandt 2020). Deterministic. The gradient
    is biased: refinement through it wants a small learning rate (1e-4 in the
    comparison of Yang, Bamler & Mandt) and diverges otherwise.
    """

    random: ClassVar[bool] = False

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey; neither the key nor the posterior's scale is used."""
        sample = straight_through_round(posterior.mu - prior.centre) + prior.centre
        return Conveyed(sample, prior.box_bits(sample))
