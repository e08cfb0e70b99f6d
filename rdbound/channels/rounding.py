"""The rounding channel: what the codec really does."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["RoundingChannel"]


@dataclass(frozen=True)
class RoundingChannel(Channel):
    """sample = round(μ − μ̂) + μ̂, bits = −log₂ P of the integer bin.

    Zero-centred quantization: the residual is an integer that the range coder
    writes. Deterministic; the key is not used. Its gradient is zero almost
    everywhere, so it serves evaluation and coding, not optimization.

    Its bits are *ideal* code lengths. What a file takes beside them, the rounding of
    probabilities to tables, the guard list and the header, is the asymptotic gap.
    """

    random: ClassVar[bool] = False

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey; neither the key nor the posterior's scale is used."""
        sample = jnp.round(posterior.mu - prior.centre) + prior.centre
        return Conveyed(sample, prior.box_bits(sample))
