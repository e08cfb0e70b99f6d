"""Closed forms of Gaussians: KL divergences in bits, log-densities and log-probabilities in nats.

Every function is elementwise, finite in the tails, and differentiable there: a
refinement that wanders far from the prior must find its way back by the gradient.

Log-scales are limited by :func:`bounded` to ±20, for samples and for rates alike: the
square of the largest ratio of two scales, e^80, is finite in float32.
"""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jaxtyping import Array, ArrayLike, Float

from rdbound.ops.quantization import lower_bound

__all__ = ["LN2", "LOG_SCALE_LIMIT", "bounded", "log_bin_probability", "kl_bits", "log_density"]

LN2 = 0.6931471805599453
LOG_SCALE_LIMIT = 20.0
"""σ is at least e^−20 = 2·10⁻⁹ and at most e^20 = 5·10⁸."""
_LOG_WIDE = math.log(32.0)  # where the two forms of the probability of a bin are as precise


def bounded(log_sigma: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
    """Return ln σ within ±:data:`LOG_SCALE_LIMIT`, with the gradient of :func:`lower_bound`."""
    raised = lower_bound(log_sigma, -LOG_SCALE_LIMIT)
    return -lower_bound(-raised, -LOG_SCALE_LIMIT)


def kl_bits(
    mu: Float[ArrayLike, "*#shape"],
    log_sigma: Float[ArrayLike, "*#shape"],
    mu_hat: Float[ArrayLike, "*#shape"],
    log_sigma_hat: Float[ArrayLike, "*#shape"],
) -> Float[Array, "*shape"]:
    """Return KL(N(mu, sigma²) ‖ N(mu_hat, sigma_hat²)) / ln 2, elementwise, in bits.

        ln(σ̂/σ) + (σ² + (μ − μ̂)²) / (2σ̂²) − 1/2

    The scales are :func:`bounded`, as for samples, and their ratio is formed in the log
    domain. The KL divergence of two equal Gaussians is exactly zero.

    Args:
      mu: mean of the posterior.
      log_sigma: log-scale of the posterior.
      mu_hat: mean of the prior.
      log_sigma_hat: log-scale of the prior.
    """
    log_sigma, log_sigma_hat = bounded(log_sigma), bounded(log_sigma_hat)
    log_ratio = log_sigma - log_sigma_hat
    standardized = jnp.subtract(mu, mu_hat) * jnp.exp(-log_sigma_hat)
    nats = 0.5 * (jnp.exp(2.0 * log_ratio) + standardized**2 - 1.0) - log_ratio
    return nats / LN2


def log_density(
    x: Float[ArrayLike, "*#shape"],
    mu: Float[ArrayLike, "*#shape"],
    log_sigma: Float[ArrayLike, "*#shape"],
) -> Float[Array, "*shape"]:
    """Return ln N(x; mu, sigma²), elementwise, in nats.

    −(x − μ)² / (2σ²) − ln σ − ½·ln 2π, with σ that of :func:`bounded`.
    """
    log_sigma = bounded(log_sigma)
    standardized = jnp.subtract(x, mu) * jnp.exp(-log_sigma)
    return -0.5 * standardized**2 - log_sigma - 0.5 * jnp.log(2.0 * jnp.pi)


def log_bin_probability(
    r: Float[ArrayLike, "*#shape"], log_sigma: Float[ArrayLike, "*#shape"]
) -> Float[Array, "*shape"]:
    """Return ln P(r − 1/2 < σ·N(0, 1) < r + 1/2), elementwise, in nats.

    The probability of the unit bin around ``r`` under a centred Gaussian is
    both the probability of an integer symbol and the density of the Gaussian
    convolved with uniform noise (Ballé, Laparra & Simoncelli 2017).
    The scale is :func:`bounded`. Narrow and wide Gaussians have a form each that is precise.
    """
    r, log_sigma = jnp.abs(r), bounded(log_sigma)
    narrow = _by_tails(r, jnp.minimum(log_sigma, _LOG_WIDE))
    wide = _by_density(r, jnp.maximum(log_sigma, _LOG_WIDE))
    return jnp.where(log_sigma < _LOG_WIDE, narrow, wide)


def _by_tails(r: jax.Array, log_sigma: jax.Array) -> jax.Array:
    """Return ln of the probability, r ≥ 0, on the lower tail, where ``log_ndtr`` is precise.

    ln Φ(a) + ln(1 − Φ(b)/Φ(a)) with a = (½ − r)/σ and b = (−½ − r)/σ. A difference
    of two values of Φ would vanish, and its logarithm be −∞: in float32 from
    about 5.5σ on, or 13σ on the lower tail. In wide Gaussians the two logarithms agree
    to rounding.
    """
    inverse = jnp.exp(-log_sigma)
    upper = log_ndtr((0.5 - r) * inverse)
    lower = log_ndtr((-0.5 - r) * inverse)
    return upper + jnp.log(-jnp.expm1(lower - upper))


def _by_density(r: jax.Array, log_sigma: jax.Array) -> jax.Array:
    """Return ln of the probability, r ≥ 0, but for terms of the order of σ⁻⁴.

    The density at r + t is that at r times exp(−u·2t)·exp(−t²/2σ²), u = r/2σ²; over the
    bin the first factor has the mean sinh(u)/u, and the second 1 − 1/24σ².
    """
    precision = jnp.exp(-2.0 * log_sigma)
    u = 0.5 * r * precision
    far = jnp.maximum(u, 0.1)
    log_sinh = far + jnp.log1p(-jnp.exp(-2.0 * far)) - jnp.log(2.0 * far)
    near = jnp.minimum(u, 0.1) ** 2
    slope = jnp.where(u > 0.1, log_sinh, near / 6.0 - near**2 / 180.0)
    return log_density(r, 0.0, log_sigma) + slope - precision / 24.0
