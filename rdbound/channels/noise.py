"""Additive uniform noise: the classical training surrogate of rounding."""

from dataclasses import dataclass

import jax

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["UniformChannel"]


@dataclass(frozen=True)
class UniformChannel(Channel):
    """sample = μ + u with u ~ U(−½, ½), bits = −log₂ (p ∗ U)(sample).

    The density of the noisy latent is the prior's mass of the unit box
    (Ballé, Laparra & Simoncelli 2017); dithered quantization realizes it, at high
    rate for ½·log₂(2πe/12) = 0.2546 bits a dimension over R(D).
    """

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey; the posterior's scale is not used."""
        mu = posterior.mu
        sample = mu + jax.random.uniform(key, mu.shape, mu.dtype, -0.5, 0.5)
        return Conveyed(sample, prior.box_bits(sample))
