"""A Gaussian posterior whose scale the decoder knows, as a function of the prior's scale.

    1/s² = 1/σ̂² + 1/c²,  c one number for each channel

That is the posterior of a Gaussian source at the rate–distortion optimum: for
N(μ̂, σ̂²) and the distortion D, s² = σ̂²·D/(σ̂² + D), c² = D (reverse
water-filling). The mean has then the prior N(μ̂, σ̂² − s²). If the means spread wider, as in a
channel with large values at few places, it is N(μ̂, σ̂² − s² + ρ²·σ̂²), ρ one number for each
channel.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rdbound.ops.distributions import Gaussian

__all__ = ["NOISES", "SPREADS", "PriorScaled", "nearest_prior_scaled", "spread_of"]

NOISES = np.arange(-20, 41, dtype=np.float32) / 4
"""The ln c among which :func:`nearest_prior_scaled` chooses, a quarter apart, −5 to 10.

The largest is that of a channel whose posteriors are its priors."""

SPREADS = np.arange(-24, 17, dtype=np.float32) / 4
"""The ln ρ among which :func:`spread_of` chooses, −6 to 4; the smallest stands for ρ = 0."""


class PriorScaled(NamedTuple):
    """N(mu, s²), s as in the module's docstring.

    Attributes:
      mu: mean, of the latent's shape [..., C].
      log_noise: ln c, [C].
      log_spread: ln ρ, [C] or a scalar.
    """

    mu: jax.Array
    log_noise: jax.Array
    log_spread: jax.Array | float = float(SPREADS[0])

    def given(self, prior: Gaussian) -> Gaussian:
        """Return the Gaussian posterior for a prior."""
        return Gaussian(self.mu, _log_scale(prior, self.log_noise, self.mu.shape))

    def log_ratio(self, prior: Gaussian) -> Float[Array, "*shape"]:
        """Return ln of the scale of the mean's prior over s, of the latent's shape.

        With t = σ̂²/c² it is ½·ln(t + ρ²·(1 + t)): no difference of two variances.
        """
        log_prior, log_noise, log_spread = (
            jnp.broadcast_to(x, self.mu.shape)
            for x in (prior.log_sigma, self.log_noise, self.log_spread)
        )
        log_t = 2.0 * (log_prior - log_noise)
        return 0.5 * jnp.logaddexp(log_t, 2.0 * log_spread + jnp.logaddexp(0.0, log_t))


def nearest_prior_scaled(posterior: Gaussian, prior: Gaussian) -> PriorScaled:
    """Return the posterior with the same means and, for each channel, the best-fitting noise.

    At the minimum of J in σ, its second derivative along the latent is 1/σ² − 1/σ̂² (in
    nats), so that J with another scale s is larger by ½·(s²/σ² − 1) − ln(s/σ), the
    KL divergence of N(·, s²) and N(·, σ²). Its sum over a channel is minimized over
    :data:`NOISES`; ``log_noise`` has no gradient.
    """
    log_sigma = jnp.broadcast_to(posterior.log_sigma, posterior.mu.shape)

    def excess(log_noise: jax.Array) -> jax.Array:
        ratio = _log_scale(prior, log_noise, log_sigma.shape) - log_sigma
        nats = 0.5 * jnp.expm1(2.0 * ratio) - ratio
        return jnp.sum(nats, axis=tuple(range(nats.ndim - 1)))

    costs = jax.lax.map(excess, jnp.asarray(NOISES))
    best = jax.lax.stop_gradient(jnp.argmin(costs, axis=0))
    return PriorScaled(posterior.mu, jnp.asarray(NOISES)[best])


def spread_of(fitted: PriorScaled, prior: Gaussian) -> Float[Array, " C"]:
    """Return the ln ρ in :data:`SPREADS` nearest to the moments of each channel.

    ρ² = E (μ − μ̂)²/σ̂² − E (1 − s²/σ̂²), the mean over the channel's places.
    """
    log_prior, centre = (jnp.broadcast_to(x, fitted.mu.shape) for x in (prior.log_sigma, prior.mu))
    squares = ((fitted.mu - centre) * jnp.exp(-log_prior)) ** 2
    known = -jnp.expm1(2.0 * (fitted.given(prior).log_sigma - log_prior))
    excess = jnp.mean(squares - known, axis=tuple(range(squares.ndim - 1)))
    wanted = 0.5 * jnp.log(jnp.maximum(excess, 1e-30))
    return jnp.asarray(SPREADS)[jnp.argmin(jnp.abs(wanted[:, None] - SPREADS[None]), axis=1)]


def _log_scale(
    prior: Gaussian, log_noise: jax.Array | np.ndarray, shape: tuple[int, ...]
) -> jax.Array:
    log_prior, log_noise = (jnp.broadcast_to(x, shape) for x in (prior.log_sigma, log_noise))
    return -0.5 * jnp.logaddexp(-2.0 * log_prior, -2.0 * log_noise)
