"""Closed forms of Gaussians: the divergence in bits, log-densities and log-masses in nats.

Every function is elementwise, finite in the tails, and differentiable there: a
refinement that wanders far from the prior must find its way back by the gradient.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr

__all__ = ["LN2", "box_log_mass", "kl_bits", "log_density"]

LN2 = 0.6931471805599453


def kl_bits(
    mu: jax.Array, log_sigma: jax.Array, mu_hat: jax.Array, log_sigma_hat: jax.Array
) -> jax.Array:
    """KL(N(mu, sigma²) ‖ N(mu_hat, sigma_hat²)) / ln 2, elementwise, in bits.

        ln(σ̂/σ) + (σ² + (μ − μ̂)²) / (2σ̂²) − 1/2

    All arguments broadcast; the result has their common shape. The variance
    ratio is formed in the log domain, so that it does not overflow before the
    quotient is taken. Zero where the two are the same Gaussian.

    Args:
      mu: mean of the first, the posterior.
      log_sigma: its log-scale.
      mu_hat: mean of the second, the prior.
      log_sigma_hat: its log-scale.
    """
    log_ratio = log_sigma - log_sigma_hat
    standardized = (mu - mu_hat) * jnp.exp(-log_sigma_hat)
    nats = 0.5 * (jnp.exp(2.0 * log_ratio) + standardized**2 - 1.0) - log_ratio
    return nats / LN2


def log_density(x: jax.Array, mu: jax.Array | float, log_sigma: jax.Array | float) -> jax.Array:
    """Ln N(x; mu, sigma²), elementwise, in nats.

    −(x − μ)² / (2σ²) − ln σ − ½·ln 2π
    """
    standardized = (x - mu) * jnp.exp(-log_sigma)
    return -0.5 * standardized**2 - log_sigma - 0.5 * jnp.log(2.0 * jnp.pi)


def box_log_mass(r: jax.Array, log_sigma: jax.Array) -> jax.Array:
    """Ln P(r − 1/2 < σ·N(0, 1) < r + 1/2), elementwise, in nats.

    The mass of the unit box around ``r`` under a centred Gaussian, which is
    both the probability of an integer bin and the density of the Gaussian
    convolved with uniform noise (Ballé, Laparra & Simoncelli 2017, eq. 13).
    By symmetry it is evaluated on the lower tail, where ``log_ndtr`` keeps its
    relative precision, as ln Φ(a) + ln(1 − Φ(b)/Φ(a)) with a = (½ − |r|)/σ and
    b = (−½ − |r|)/σ. A difference of two values of Φ would vanish, and its
    logarithm be −∞: in float32 from about 5.5σ on, or 13σ on the lower tail.
    """
    r = jnp.abs(r)
    inverse = jnp.exp(-log_sigma)
    upper = log_ndtr((0.5 - r) * inverse)
    lower = log_ndtr((-0.5 - r) * inverse)
    # For very wide Gaussians the two logarithms agree to rounding; the floor
    # keeps log1p(-exp(0)) = -inf out of the value and NaN out of the gradient.
    difference = jnp.minimum(lower - upper, -1e-7)
    return upper + jnp.log(-jnp.expm1(difference))
