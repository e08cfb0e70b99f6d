"""A Gaussian told in steps: the mathematics of relative entropy coding by auxiliary variables.

In units of the prior a latent is z ~ N(0, 1) under the prior and N(ν, ρ²) under the
posterior. Split into independent steps, z = a₁ + … + a_K with a_k ~ N(0, V_k − V_{k−1}), 0 =
V₀ < … < V_K = 1, the divergence splits too (Flamich et al. 2020, section 3): what K steps
tell of z is what the posterior says of it, and each step can tell a few nats of it.

All rates are in nats.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import bounded
from rdbound.ops.reproducible import portable_exp

__all__ = ["RATIOS", "Tilt", "divergence_of", "fitted_ratio", "told", "variances"]

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
        """That of the posterior over the prior, elementwise."""
        ratio = 2.0 * (bounded(prior.log_sigma) - bounded(posterior.log_sigma))
        nu = (posterior.mu - prior.mu) * jnp.exp(-bounded(prior.log_sigma))
        return cls(jnp.expm1(ratio), nu * jnp.exp(ratio))

    def log_ratio(self, total: jax.Array, rest: jax.Array) -> jax.Array:
        """Ln of posterior over prior of the steps so far, elementwise.

        It is ln E exp(−½·excess·z² + pull·z) over z ~ N(told, rest), less its value at the
        start, (0, 1). At rest = 0 it is the ratio of the two densities at ``total``.

        Args:
          total: the sum of the steps so far.
          rest: the variance of those to come, from 0 to 1.
        """
        return self._potential(total, rest) - self._potential(jnp.zeros(()), jnp.ones(()))

    def _potential(self, total: jax.Array, rest: jax.Array) -> jax.Array:
        slope, curve = self.linear(total, rest)
        spread = 0.5 * (self.pull * self.pull * rest) / (1.0 + self.excess * rest)
        # The slope at half way is the mean of those from 0 to ``total``.
        steps = total * (slope + 0.5 * curve * total)
        return steps + spread - 0.5 * jnp.log1p(self.excess * rest)

    def linear(self, total: jax.Array, rest: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(slope, curve): a step a adds slope·a − ½·curve·a² to the log-ratio, and no more."""
        curve = self.excess / (1.0 + self.excess * rest)
        return self.pull / (1.0 + self.excess * rest) - curve * total, curve


def divergence_of(tilt: Tilt) -> jax.Array:
    """The divergence of posterior from prior, nats, elementwise."""
    return told(tilt, jnp.ones(()))


def told(tilt: Tilt, share: jax.Array) -> jax.Array:
    """The divergence of what steps of the variance ``share``, 0 to 1, tell: nats, elementwise.

    Their sum is N(ν·V, V·(1 − V·(1 − ρ²))) under the posterior and N(0, V) under the prior.
    """
    precision = 1.0 + tilt.excess
    narrower = tilt.excess / precision  # 1 − ρ²
    square = (tilt.pull / precision) ** 2
    # ln(1 − V·(1 − ρ²)), where 1 − ρ² may be one in float32.
    left = jnp.log1p(tilt.excess * (1.0 - share)) - jnp.log1p(tilt.excess)
    return 0.5 * (share * (square - narrower) - left)


def variances(log_ratio: float, steps: int) -> np.ndarray:
    """V₀ … V_K, float64 [steps + 1], the same on every machine.

    Each step tells as much as any other of latents with ν² = 1 − ρ² on average, ρ² = r:
    told(V) = −½·ln(1 − V·(1 − r)), so that 1 − V_k·(1 − r) = r^{k/K}.
    """
    powers = portable_exp(log_ratio * (np.arange(steps + 1) / steps))
    V = (1.0 - powers) / (1.0 - powers[-1])
    return np.concatenate([[0.0], V[1:-1], [1.0]])


def fitted_ratio(tilt: Tilt) -> int:
    """The number among :data:`RATIOS` whose steps share most evenly what all latents tell."""
    total = float(jnp.sum(divergence_of(tilt)))
    costs = []
    for log_ratio in RATIOS:
        shares = -np.expm1(log_ratio * _SHARES) / -np.expm1(log_ratio)
        sums = _told_at(tilt, jnp.asarray(shares, jnp.float32))
        costs.append(np.sum((np.asarray(sums) - total * _SHARES) ** 2))
    return int(np.argmin(costs))


@jax.jit
def _told_at(tilt: Tilt, shares: jax.Array) -> jax.Array:
    return jax.lax.map(lambda share: jnp.sum(told(tilt, share)), shares)
