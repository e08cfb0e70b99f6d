"""The ratio of posterior and prior in steps: relative entropy coding by auxiliary variables.

In units of the prior a latent is z ~ N(0, 1) under the prior and N(ν, ρ²) under the
posterior. Split into independent steps, z = a₁ + … + a_K with a_k ~ N(0, V_k − V_{k−1}), 0 =
V₀ < … < V_K = 1, the KL divergence splits too (Flamich et al. 2020, section 3): the divergences
of the K steps sum to that of z, and each step can be one of a few nats.

All divergences are in nats.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import bounded
from rdbound.ops.reproducible import portable_exp

__all__ = ["RATIOS", "Tilt", "divergence_of", "fitted_ratio", "partial_divergence", "variances"]

RATIOS = np.linspace(-14.0, -0.05, 64)
"""The ln r among which :func:`fitted_ratio` chooses."""

_SHARES = (np.arange(16) + 0.5) / 16


class Tilt(NamedTuple):
    """posterior/prior of a latent in units of the prior: exp(−½·excess·z² + pull·z), normalized.

    Attributes:
      excess: 1/ρ² − 1, above −1.
      pull: ν/ρ².
    """

    excess: jax.Array
    pull: jax.Array

    @classmethod
    def between(cls, posterior: Gaussian, prior: Gaussian) -> "Tilt":
        """Return the tilt of a Gaussian posterior over its prior, elementwise."""
        ratio = 2.0 * (bounded(prior.log_sigma) - bounded(posterior.log_sigma))
        nu = (posterior.mu - prior.mu) * jnp.exp(-bounded(prior.log_sigma))
        return cls(jnp.expm1(ratio), nu * jnp.exp(ratio))

    def log_ratio(
        self, total: Float[Array, "..."], rest: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Return ln of posterior over prior of the steps so far, elementwise.

        It is ln E exp(−½·excess·z² + pull·z) over z ~ N(total, rest), less its value at the
        start, (0, 1). At rest = 0 it is the ratio of the two densities at ``total``.

        Args:
          total: sum of the steps so far.
          rest: variance of the remaining steps, from 0 to 1.
        """
        return self._potential(total, rest) - self._potential(jnp.zeros(()), jnp.ones(()))

    def _potential(self, total: jax.Array, rest: jax.Array) -> jax.Array:
        slope, curve = self.linear(total, rest)
        spread = 0.5 * (self.pull * self.pull * rest) / (1.0 + self.excess * rest)
        # The slope at half way is the mean of those from 0 to ``total``.
        steps = total * (slope + 0.5 * curve * total)
        return steps + spread - 0.5 * jnp.log1p(self.excess * rest)

    def linear(
        self, total: Float[Array, "..."], rest: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Return (slope, curve) so that a step a adds slope·a − ½·curve·a² to the log-ratio."""
        curve = self.excess / (1.0 + self.excess * rest)
        return self.pull / (1.0 + self.excess * rest) - curve * total, curve


def divergence_of(tilt: Tilt) -> Float[Array, "..."]:
    """Return the KL divergence of posterior and prior, nats, elementwise."""
    return partial_divergence(tilt, jnp.ones(()))


def partial_divergence(tilt: Tilt, share: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the KL divergence of the first steps with the variance ``share``, nats, elementwise.

    Their sum is N(ν·V, V·(1 − V·(1 − ρ²))) under the posterior and N(0, V) under the prior.
    """
    precision = 1.0 + tilt.excess
    narrower = tilt.excess / precision  # 1 − ρ²
    square = (tilt.pull / precision) ** 2
    # ln(1 − V·(1 − ρ²)), where 1 − ρ² may be one in float32.
    left = jnp.log1p(tilt.excess * (1.0 - share)) - jnp.log1p(tilt.excess)
    return 0.5 * (share * (square - narrower) - left)


def variances(log_ratio: float, steps: int) -> np.ndarray:
    """Return V₀ … V_K, float64 [steps + 1], the same on every machine.

    For latents with ν² = 1 − ρ² on average, ρ² = r, all steps have the same divergence: that of
    the first steps is −½·ln(1 − V·(1 − r)), so that 1 − V_k·(1 − r) = r^{k/K}.
    """
    powers = portable_exp(log_ratio * (np.arange(steps + 1) / steps))
    V = (1.0 - powers) / (1.0 - powers[-1])
    return np.concatenate([[0.0], V[1:-1], [1.0]])


def fitted_ratio(tilt: Tilt) -> int:
    """Return the index in :data:`RATIOS` whose steps share the divergence most evenly."""
    total = float(jnp.sum(divergence_of(tilt)))
    costs = []
    for log_ratio in RATIOS:
        shares = -np.expm1(log_ratio * _SHARES) / -np.expm1(log_ratio)
        sums = _divergences(tilt, jnp.asarray(shares, jnp.float32))
        costs.append(np.sum((np.asarray(sums) - total * _SHARES) ** 2))
    return int(np.argmin(costs))


@jax.jit
def _divergences(tilt: Tilt, shares: jax.Array) -> jax.Array:
    return jax.lax.map(lambda share: jnp.sum(partial_divergence(tilt, share)), shares)
