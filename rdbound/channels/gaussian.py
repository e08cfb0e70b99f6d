"""The Gaussian channel: the bound."""

from dataclasses import dataclass

import jax

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.banded_gaussian import CoupledGaussian
from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["GaussianChannel"]


@dataclass(frozen=True)
class GaussianChannel(Channel):
    """sample = μ + σ·ε, bits = KL(N(μ, σ²) ‖ N(μ̂, σ̂²)) / ln 2, analytic.

    The rate at which the sample could be conveyed by channel simulation over
    many independent data, hence an upper bound on R(D) (Yang & Mandt 2022,
    eq. 4). Needs a Gaussian prior: a mixture has no closed-form divergence.

        KL = ln(σ̂/σ) + (σ² + (μ − μ̂)²) / (2σ̂²) − ½ nats, elementwise

    The rate of a level is exact given the samples of the levels before it; over
    these, and in the distortion, an average over keys is Monte Carlo. A latent
    whose posterior is its prior costs nothing. Of a coupled posterior
    (:mod:`rdbound.ops.banded_gaussian`) only the sum over elements is a divergence.
    """

    def __call__(
        self, posterior: Gaussian | CoupledGaussian, prior: Prior, key: jax.Array
    ) -> Conveyed:
        """Convey; raises ValueError for a prior or posterior that is not Gaussian."""
        if not isinstance(posterior, Gaussian | CoupledGaussian):
            raise ValueError(
                f"the gaussian channel needs a Gaussian posterior, not "
                f"{type(posterior).__name__}: use the sampled channel"
            )
        if not isinstance(prior, Gaussian):
            raise ValueError(
                f"the gaussian channel needs a Gaussian prior, not {type(prior).__name__}: "
                "the rounding channel serves a codec, the sampled one any prior with a density"
            )
        sample, _ = posterior.draw(key)
        if isinstance(posterior, CoupledGaussian):
            return Conveyed(sample, posterior.bits_against(prior))
        return Conveyed(sample, prior.kl_bits(posterior))
