"""A Gaussian posterior whose scale the decoder knows: a function of the prior's.

    1/s² = 1/σ̂² + 1/c²,  c one number a channel

is what the posterior of a Gaussian source is at the rate–distortion optimum: of
N(μ̂, σ̂²) a decoder with the distortion D keeps s² = σ̂²·D/(σ̂² + D), c² = D (reverse
water-filling, written for what is conveyed and not for the source). The mean has then the
prior N(μ̂, σ̂² − s²), σ̂² − s² = (σ̂·s/c)².
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.ops.distributions import Gaussian

__all__ = ["NOISES", "PriorScaled", "nearest_prior_scaled"]

NOISES = np.arange(-20, 41, dtype=np.float32) / 4
"""The ln c among which :func:`nearest_prior_scaled` chooses, a quarter apart: e^−5 to e^10.

The largest is that of a channel that says nothing."""


class PriorScaled(NamedTuple):
    """N(mu, s²), s as in the module's head.

    ``mu`` has the shape of the latent; ``log_noise``, ln c, is [C] of its last axis.
    """

    mu: jax.Array
    log_noise: jax.Array

    def given(self, prior: Gaussian) -> Gaussian:
        """The Gaussian that it is where ``prior`` is known."""
        return Gaussian(self.mu, _log_scale(prior, self.log_noise, self.mu.shape))


def nearest_prior_scaled(posterior: Gaussian, prior: Gaussian) -> PriorScaled:
    """The same means, and of each channel the noise that fits its scales best.

    Where J is least in σ, its second derivative along the latent is 1/σ² − 1/σ̂² (in
    nats), so that J with another scale s is larger by ½·(s²/σ² − 1) − ln(s/σ), the
    divergence of N(·, s²) from N(·, σ²): its sum over a channel is least, over
    :data:`NOISES`. ``log_noise`` is one of these, and has no gradient.
    """
    log_sigma = jnp.broadcast_to(posterior.log_sigma, posterior.mu.shape)

    def excess(log_noise: jax.Array) -> jax.Array:
        ratio = _log_scale(prior, log_noise, log_sigma.shape) - log_sigma
        nats = 0.5 * jnp.expm1(2.0 * ratio) - ratio
        return jnp.sum(nats, axis=tuple(range(nats.ndim - 1)))

    costs = jax.lax.map(excess, jnp.asarray(NOISES))
    best = jax.lax.stop_gradient(jnp.argmin(costs, axis=0))
    return PriorScaled(posterior.mu, jnp.asarray(NOISES)[best])


def _log_scale(prior: Gaussian, log_noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    log_prior, log_noise = (jnp.broadcast_to(x, shape) for x in (prior.log_sigma, log_noise))
    return -0.5 * jnp.logaddexp(-2.0 * log_prior, -2.0 * log_noise)
