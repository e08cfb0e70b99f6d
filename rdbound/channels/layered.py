"""The layered quantizer's channel, and the Gaussian channel with a scale that the decoder knows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from rdbound.channels.base import Channel, Conveyed
from rdbound.channels.gaussian import GaussianChannel
from rdbound.ops.distributions import Gaussian
from rdbound.ops.layered_quantizer import layered_fit
from rdbound.ops.tied_scale import PriorScaled, nearest_prior_scaled

__all__ = ["LayeredChannel", "PriorScaledChannel", "prior_scaled"]


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

    pools: ClassVar[bool] = True

    def __call__(
        self, posterior: Gaussian | PriorScaled, prior: Any, key: PRNGKeyArray
    ) -> Conveyed:
        """Convey; raise ValueError unless the prior is Gaussian."""
        scaled = prior_scaled(posterior, prior, layered_fit)
        log_s = scaled.given(prior).log_sigma
        of_width, of_dither = jax.random.split(key)
        shape, dtype = scaled.mu.shape, scaled.mu.dtype
        chi = jnp.linalg.norm(jax.random.normal(of_width, (*shape, 3), dtype), axis=-1)
        width = 2.0 * chi * jnp.exp(log_s)
        sample = scaled.mu + width * jax.random.uniform(of_dither, shape, dtype, -0.5, 0.5)
        residual = sample - jnp.broadcast_to(prior.mu, shape)
        bins = Gaussian(jnp.zeros_like(sample), scaled.log_ratio(prior) - jnp.log(2.0 * chi))
        return Conveyed(sample, bins.bin_bits(residual / width))


_Fit = Callable[[Gaussian, Gaussian], PriorScaled]


@dataclass(frozen=True)
class PriorScaledChannel(Channel):
    """The Gaussian channel with the nearest posterior whose scale is a function of the prior's.

    See :func:`rdbound.ops.tied_scale.nearest_prior_scaled`. Its J less that of the
    Gaussian channel is the price of a scale that the decoder knows; the J of the layered
    channel less this J is the price of coding by a layered quantizer. Shared randomness is not
    counted.
    """

    pools: ClassVar[bool] = True

    def __call__(
        self, posterior: Gaussian | PriorScaled, prior: Any, key: PRNGKeyArray
    ) -> Conveyed:
        """Convey; raise ValueError unless the prior is Gaussian."""
        scaled = prior_scaled(posterior, prior, nearest_prior_scaled)
        return GaussianChannel()(scaled.given(prior), prior, key)


def prior_scaled(posterior: Gaussian | PriorScaled, prior: Any, fit: _Fit) -> PriorScaled:
    """Return the nearest posterior whose scale is a function of the prior's.

    Args:
      posterior: a Gaussian, or a member of the family, which is returned as it is.
      prior: a Gaussian prior.
      fit: chooses the member of the family for a Gaussian posterior.

    Raises:
      ValueError: The prior is not Gaussian.
    """
    if not isinstance(prior, Gaussian):
        raise ValueError(
            f"a scale that the decoder knows needs a Gaussian prior, not {type(prior).__name__}: "
            "the uniform channel (coder 'dithered') serves a codec"
        )
    if isinstance(posterior, PriorScaled):
        return posterior
    return fit(posterior, prior)
