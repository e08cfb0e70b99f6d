"""The layered quantizer's channel: exact Gaussian noise out of dithers of random width."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rdbound.channels.base import Channel, Conveyed
from rdbound.channels.prior_scaled import prior_scaled
from rdbound.ops.distributions import Gaussian
from rdbound.ops.layered_quantizer import layered_fit
from rdbound.ops.tied_scale import PriorScaled

__all__ = ["LayeredChannel"]


@dataclass(frozen=True)
class LayeredChannel(Channel):
    """sample = μ + w·v with w = 2·s·χ₃ and v ~ U(−½, ½): μ + s·ε, by another way.

    A Gaussian is a mixture of uniforms of half-width s·√χ²₃ (Wilson 2000; Hegazy & Li
    2022), and each of these is a dithered quantizer's error. s is known to the decoder
    (:func:`rdbound.ops.layered_quantizer.layered_fit`). The bits are −log₂ of the probability of
    the index given dither and width, by the prior of the mean, N(μ̂, σ̂² − s²) or wider: at high rate
    h(N(0, 1)) − E log₂(2·χ₃) = 0.5208 a dimension over the divergence, at a rate of
    zero nothing.
    """

    def __call__(self, posterior: Gaussian | PriorScaled, prior: Any, key: jax.Array) -> Conveyed:
        """Convey; raises ValueError for a prior that is not Gaussian."""
        scaled = prior_scaled(posterior, prior, layered_fit)
        log_s = scaled.given(prior).log_sigma
        of_width, of_dither = jax.random.split(key)
        shape, dtype = scaled.mu.shape, scaled.mu.dtype
        chi = jnp.linalg.norm(jax.random.normal(of_width, (*shape, 3), dtype), axis=-1)
        width = 2.0 * chi * jnp.exp(log_s)
        sample = scaled.mu + width * jax.random.uniform(of_dither, shape, dtype, -0.5, 0.5)
        residual = sample - jnp.broadcast_to(prior.mu, shape)
        boxes = Gaussian(jnp.zeros_like(sample), scaled.log_ratio(prior) - jnp.log(2.0 * chi))
        return Conveyed(sample, boxes.box_bits(residual / width))
