"""Rounding ignored: per-sample optimization as if latents were analog."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["MAPChannel"]


@dataclass(frozen=True)
class MAPChannel(Channel):
    """sample = μ, bits = −log₂ of the box at μ (A1 of Yang, Bamler & Mandt 2020).

    What is optimized is not what rounding makes of it: a relaxation to refine
    through, whose result is judged by the rounding channel. Deterministic.
    """

    random: ClassVar[bool] = False

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey; neither the key nor the posterior's scale is used."""
        return Conveyed(posterior.mu, prior.box_bits(posterior.mu))
