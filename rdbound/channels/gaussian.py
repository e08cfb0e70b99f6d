"""The channels of a bound: the Gaussian one in closed form, the sampled one for any densities."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.banded_gaussian import CoupledGaussian
from rdbound.ops.distributions import Draws, Gaussian, HasDensity, Prior
from rdbound.ops.gaussian import LN2

__all__ = ["GaussianChannel", "SampledChannel"]


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
        self, posterior: Gaussian | CoupledGaussian, prior: Prior, key: PRNGKeyArray
    ) -> Conveyed:
        """Convey; raise ValueError unless posterior and prior are Gaussian."""
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


@dataclass(frozen=True)
class SampledChannel(Channel):
    """sample ~ q, bits = log₂ q(sample) − log₂ p(sample).

    An unbiased estimate of KL(q ‖ p) from the very sample that is conveyed, for
    any posterior that can be drawn from and any normalized prior: full-covariance
    and autoregressive posteriors, mixtures and flows. A single value may be
    negative; its mean is the rate of a bound. Use the Gaussian channel where
    its closed form exists: it has the same mean and less noise.

    Bits are elementwise where both log-densities are; where one of them is of
    the whole vector, both are summed and bits is a scalar.
    """

    def __call__(self, posterior: Draws, prior: HasDensity, key: PRNGKeyArray) -> Conveyed:
        """Convey; raise ValueError for a posterior or prior without a density."""
        if not (hasattr(posterior, "draw") and hasattr(prior, "log_density")):
            raise ValueError(
                f"the sampled channel needs a posterior with draw and a prior with log_density, "
                f"not {type(posterior).__name__} and {type(prior).__name__}"
            )
        sample, log_q = posterior.draw(key)
        log_p = prior.log_density(sample)
        if log_q.shape != log_p.shape:
            log_q, log_p = jnp.sum(log_q), jnp.sum(log_p)
        return Conveyed(sample, (log_q - log_p) / LN2)
