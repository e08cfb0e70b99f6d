"""Deterministic channels: rounding, straight-through, MAP and the noiseless channel."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.quantization import straight_through_round

__all__ = ["MAPChannel", "NoiselessChannel", "RoundingChannel", "StraightThroughChannel"]


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

    def __call__(self, posterior: Gaussian, prior: Prior, key: PRNGKeyArray) -> Conveyed:
        """Convey by the posterior's mean; its scale and the key are not used."""
        sample = jnp.round(posterior.mu - prior.centre) + prior.centre
        return Conveyed(sample, prior.bin_bits(sample))


@dataclass(frozen=True)
class StraightThroughChannel(Channel):
    """With r = μ − μ̂: sample = STE(round(r)) + μ̂, bits = −log₂ P of the integer bin.

    The value of the rounding channel, with a gradient (Bengio, Léonard &
    Courville 2013; A2 of Yang, Bamler & Mandt 2020). Deterministic. The gradient
    is biased: refinement through it wants a small learning rate (1e-4 in the
    comparison of Yang, Bamler & Mandt) and diverges otherwise.
    """

    random: ClassVar[bool] = False

    def __call__(self, posterior: Gaussian, prior: Prior, key: PRNGKeyArray) -> Conveyed:
        """Convey by the posterior's mean; its scale and the key are not used."""
        sample = straight_through_round(posterior.mu - prior.centre) + prior.centre
        return Conveyed(sample, prior.bin_bits(sample))


@dataclass(frozen=True)
class MAPChannel(Channel):
    """sample = μ, bits = −log₂ of the bin at μ (A1 of Yang, Bamler & Mandt 2020).

    A surrogate channel of refinement, which ignores rounding; the result is evaluated by the
    rounding channel. Deterministic.
    """

    random: ClassVar[bool] = False

    def __call__(self, posterior: Gaussian, prior: Prior, key: PRNGKeyArray) -> Conveyed:
        """Convey by the posterior's mean; its scale and the key are not used."""
        return Conveyed(posterior.mu, prior.bin_bits(posterior.mu))


@dataclass(frozen=True)
class NoiselessChannel(Channel):
    """sample = μ; no rate is charged, since no finite one conveys it.

    The distortion that remains is the model's distortion floor: what its latents are too
    few, or its transforms too weak, to reconstruct at any rate. The method ``floor``
    (:mod:`rdbound.methods`) reports it beside the curves.
    """

    random: ClassVar[bool] = False

    def __call__(self, posterior: Any, prior: Any, key: PRNGKeyArray) -> Conveyed:
        """Convey; neither the prior nor the key is used."""
        return Conveyed(posterior.mu, jnp.zeros_like(posterior.mu))
