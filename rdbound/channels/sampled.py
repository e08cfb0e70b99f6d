"""The sampled channel: the bound where no divergence has a closed form."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Draws, HasDensity
from rdbound.ops.gaussian import LN2

__all__ = ["SampledChannel"]


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

    def __call__(self, posterior: Draws, prior: HasDensity, key: jax.Array) -> Conveyed:
        """Convey; raises ValueError for a side without a density."""
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
