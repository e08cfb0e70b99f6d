"""A learned density for each channel, by a small monotone network for its distribution function.

After Ballé et al. 2018 (arXiv 1802.01436, appendix 6.1). For a channel,

    P(z ≤ t) = σ(f_K(…f_1(t))),  f_k(h) = g_k(softplus(H_k)·h + b_k),
    g_k(h) = h + tanh(a_k)·tanh(h),  g_K the identity

so that f is increasing: weights are positive, and a_k bends it by less than its slope.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rdbound.ops.distributions import ChannelMass, Lookup
from rdbound.ops.gaussian import LN2

__all__ = ["Cumulative"]

_OUTSIDE = 1e-6  # mass beyond the reach of a table, on either side
_FURTHEST = 2000


class Cumulative(NamedTuple):
    """Elementwise density of a latent [..., C], convolved with uniform noise as it was learned.

    Its bins have the probability P(z ≤ y + ½) − P(z ≤ y − ½). As a function of real y, not of
    integers, that is the density of the latent with uniform noise, on which it was trained;
    ``log_density`` is its logarithm.

    Attributes:
      matrices: H_k, [C, out, in] each.
      biases: b_k, [C, out] each.
      factors: a_k, [C, out] each, one fewer.
      centre: medians, which zero-centred quantization subtracts, [C].
    """

    matrices: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    factors: tuple[jax.Array, ...]
    centre: jax.Array

    def logits(self, t: Float[Array | np.ndarray, "*shape C"]) -> Float[Array, "*shape C"]:
        """Return the logit of P(z ≤ t), elementwise."""
        t = jnp.asarray(t)
        h = t.reshape(-1, t.shape[-1], 1)
        for k, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            h = jnp.einsum("coi,nci->nco", jax.nn.softplus(matrix), h) + bias[None]
            if k < len(self.factors):
                h = h + jnp.tanh(self.factors[k])[None] * jnp.tanh(h)
        return h.reshape(t.shape)

    def log_density(self, z: Float[Array | np.ndarray, "*shape C"]) -> Float[Array, "*shape C"]:
        """Return ln of the probability of the unit bin around ``z``, elementwise.

        σ(u) − σ(l) = σ(u)·σ(−l)·(1 − e^(l − u)): no difference of nearly equal numbers.
        """
        low, high = self.logits(z - 0.5), self.logits(z + 0.5)
        # Far out a float32 network may not tell the ends apart.
        width = jnp.maximum(high - low, 1e-12)
        return jax.nn.log_sigmoid(high) + jax.nn.log_sigmoid(-low) + jnp.log(-jnp.expm1(-width))

    def bin_bits(self, y: Float[Array | np.ndarray, "*shape C"]) -> Float[Array, "*shape C"]:
        """Return −log₂ of the probability of the unit bin around ``y``, elementwise."""
        return -self.log_density(y) / LN2

    def table_of(self, shape: tuple[int, ...]) -> Lookup:
        """Return the choice of tables by the channel, the last axis."""
        return Lookup("cumulative", np.broadcast_to(np.arange(shape[-1]), shape), False)

    def channel_mass(self) -> list[ChannelMass]:
        """Return the bin probabilities of each channel around its centre, in float64."""
        own = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), self)
        return [_mass(own, c) for c in range(len(own.centre))]


def _mass(own: Cumulative, c: int) -> ChannelMass:
    centre = float(own.centre[c])

    def mass(r: np.ndarray) -> np.ndarray:
        y = centre + np.asarray(r, np.float64)
        low, high = _logits(own, c, y - 0.5), _logits(own, c, y + 0.5)
        sides = -np.logaddexp(0, -high) - np.logaddexp(0, low)
        return np.exp(sides) * -np.expm1(low - high)

    edge = np.log(_OUTSIDE)
    reach = 1
    while reach < _FURTHEST:
        low, high = _logits(own, c, np.array([centre - reach - 0.5, centre + reach + 0.5]))
        if low < edge and -high < edge:
            break
        reach += max(1, reach // 8)
    return mass, reach


def _logits(own: Cumulative, c: int, t: np.ndarray) -> np.ndarray:
    """Return the logits of one channel, float64 [n]."""
    h = t[None]
    for k, (matrix, bias) in enumerate(zip(own.matrices, own.biases, strict=True)):
        h = np.logaddexp(0, matrix[c]) @ h + bias[c][:, None]
        if k < len(own.factors):
            h = h + np.tanh(own.factors[k][c])[:, None] * np.tanh(h)
    return h[0]
