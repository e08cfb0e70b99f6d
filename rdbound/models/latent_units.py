"""The units of latents and pixels that the models of images share.

The unit of a latent depends on λ: one unit is the step that a uniform quantizer should
have at λ, Δ² = 18 / (ln 2·λ) on 0–255 in an orthonormal transform of RGB. Rounding to
integers is then about right at every rate, and a variable-rate model need not learn it.
"""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, ScalarLike
from pydantic import Field

from rdbound.models.factorized_prior import SCALE_BOUND
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2
from rdbound.ops.quantization import lower_bound

__all__ = [
    "Compute",
    "HYPER_GAIN",
    "LOG_SIGMA_POSTERIOR",
    "PIXEL_GAIN",
    "RATE_WIDTH",
    "UNIT_BOX_VARIANCE",
    "Unit",
    "latent_unit",
    "of_scale",
    "scaled_prior",
    "smooth_log",
]

Compute = Literal["float32", "bfloat16"]
"""The type of the blocks' arithmetic; parameters, latents and rates stay float32."""

Unit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""The λ of MSE on 0–255 that one unit of λ is worth."""

RATE_WIDTH = 32
"""Width of the embedding of log λ."""

PIXEL_GAIN = 4.0
"""Factor that brings pixels of standard deviation about 1/4 to about 1."""

HYPER_GAIN = 2.0
"""Initial ratio of the first level's latent to its features."""

LOG_SIGMA_POSTERIOR = -1.2
"""Initial log-scale of posteriors: about that of the unit box."""

UNIT_BOX_VARIANCE = 1.0 / 12.0
"""Added to a bound's prior variance, as the unit box widens a codec's: the network that
gives the scale then has the same task in both forms."""

# MSE at λ asks for steps of Δ² = 12·3 / (2·ln 2·λ) in an orthonormal transform
# of RGB on 0–255 (reverse water-filling, uniform quantizer).
_STEP = (18.0 / LN2) ** 0.5

_LEVELS_PER_FEATURE = 255.0 / PIXEL_GAIN


def latent_unit(lmbda: ScalarLike, mse_per_unit: float = 1.0) -> Float[Array, ""]:
    """Return how many units of a latent one unit of a feature is.

    (255/4) / √(18 / (ln 2·λ)), proportional to √λ: pixel levels over the step that MSE at λ
    asks for.

    Args:
      lmbda: λ.
      mse_per_unit: the λ of MSE on 0–255 that one unit of λ is worth.
    """
    lmbda = mse_per_unit * jnp.asarray(lmbda, jnp.float32)
    return _LEVELS_PER_FEATURE / _STEP * jnp.sqrt(lmbda)


def scaled_prior(
    form: str, mu: Float[Array, "*latent"], log_sigma: Float[Array, "*latent"], unit: ScalarLike
) -> Gaussian:
    """Return the Gaussian prior of a form from means and log-scales in the unit of features.

    With u the unit, means become u·μ̂ and scales u·σ̂. A codec's scale is at least
    0.11, a bound's variance is u²σ̂² + 1/12: the width that a codec's unit box adds by
    itself.

    Args:
      form: ``bound`` or ``codec``.
      mu: means μ̂, [..., C].
      log_sigma: log-scales ln σ̂, [..., C].
      unit: units of the latent in one unit of features.
    """
    log_sigma = log_sigma + jnp.log(unit)
    if form == "codec":
        # The channel adds the unit box; see also the bound's variance.
        return Gaussian(mu * unit, lower_bound(log_sigma, jnp.log(SCALE_BOUND)))
    log_sigma = 0.5 * jnp.logaddexp(2.0 * log_sigma, jnp.log(UNIT_BOX_VARIANCE))
    return Gaussian(mu * unit, log_sigma)


def smooth_log(v: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the logarithm of a smooth scale, which grows slowly where ``v`` is large.

    The scale is softplus with β = ln 2 (Duan et al. 2023), log₂(1 + 2^v): 1 at v = 0, about
    1.44·2^v far below, v far above, so that a step of training never multiplies a large
    scale. Its natural logarithm is finite for any ``v``.
    """
    ln2 = jnp.log(2.0)
    # softplus itself underflows where its logarithm is simply v·ln 2.
    scale = jax.nn.softplus(jnp.maximum(v, -60.0) * ln2) / ln2
    return jnp.where(v < -60.0, v * ln2 - jnp.log(ln2), jnp.log(scale))


def of_scale(sigma: np.ndarray | float) -> np.ndarray:
    """Return the ``v`` whose smooth scale is ``sigma``."""
    return np.log2(np.expm1(np.asarray(sigma) * np.log(2.0)))
