"""A Gaussian posterior whose scale the decoder knows: a function of the prior's.

    1/s² = 1/σ̂² + 1/c²,  c one number a channel

is what the posterior of a Gaussian source is at the rate–distortion optimum: of
N(μ̂, σ̂²) a decoder with the distortion D keeps s² = σ̂²·D/(σ̂² + D), c² = D (reverse
water-filling, written for what is conveyed and not for the source). The mean has then the
prior N(μ̂, σ̂² − s²); where means are spread more than their prior says, as those of a
channel are that says something in few places, N(μ̂, σ̂² − s² + ρ²·σ̂²), ρ one number a channel.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.ops.distributions import Gaussian

__all__ = ["NOISES", "SPREADS", "PriorScaled", "nearest_prior_scaled", "spread_of"]

NOISES = np.arange(-20, 41, dtype=np.float32) / 4
"""The ln c among which :func:`nearest_prior_scaled` chooses, a quarter apart: e^−5 to e^10.

The largest is that of a channel that says nothing."""

SPREADS = np.arange(-24, 17, dtype=np.float32) / 4
"""The ln ρ among which it chooses, e^−6 to e^4: the smallest stands for none."""


class PriorScaled(NamedTuple):
    """N(mu, s²), s as in the module's head.

    ``mu`` has the shape of the latent; ``log_noise``, ln c, and ``log_spread``, ln ρ, are [C] of
    its last axis.
    """

    mu: jax.Array
    log_noise: jax.Array
    log_spread: jax.Array | float = float(SPREADS[0])

    def given(self, prior: Gaussian) -> Gaussian:
        """The Gaussian that it is where ``prior`` is known."""
        return Gaussian(self.mu, _log_scale(prior, self.log_noise, self.mu.shape))

    def log_ratio(self, prior: Gaussian) -> jax.Array:
        """Ln of the scale of the mean's prior over s, of the latent's shape.

        With t = σ̂²/c² it is ½·ln(t + ρ²·(1 + t)): no difference of two variances.
        """
        log_prior, log_noise, log_spread = (
            jnp.broadcast_to(x, self.mu.shape)
            for x in (prior.log_sigma, self.log_noise, self.log_spread)
        )
        log_t = 2.0 * (log_prior - log_noise)
        return 0.5 * jnp.logaddexp(log_t, 2.0 * log_spread + jnp.logaddexp(0.0, log_t))


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


def spread_of(fitted: PriorScaled, prior: Gaussian) -> jax.Array:
    """Ln ρ with ρ² = E (μ − μ̂)²/σ̂² − E (1 − s²/σ̂²) over a channel, the nearest there is, [C]."""
    log_prior, centre = (jnp.broadcast_to(x, fitted.mu.shape) for x in (prior.log_sigma, prior.mu))
    told = ((fitted.mu - centre) * jnp.exp(-log_prior)) ** 2
    known = -jnp.expm1(2.0 * (fitted.given(prior).log_sigma - log_prior))
    excess = jnp.mean(told - known, axis=tuple(range(told.ndim - 1)))
    wanted = 0.5 * jnp.log(jnp.maximum(excess, 1e-30))
    return jnp.asarray(SPREADS)[jnp.argmin(jnp.abs(wanted[:, None] - SPREADS[None]), axis=1)]


def _log_scale(prior: Gaussian, log_noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    log_prior, log_noise = (jnp.broadcast_to(x, shape) for x in (prior.log_sigma, log_noise))
    return -0.5 * jnp.logaddexp(-2.0 * log_prior, -2.0 * log_noise)
