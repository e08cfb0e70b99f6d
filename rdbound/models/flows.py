"""Normalizing flows of vectors: a coupling prior and an autoregressive posterior.

A flow's density is that of its base, changed by the volume of the map:
ln p(z) = ln p_base(f(z)) + ln |det ∂f/∂z|. Both maps here are triangular, so that
the determinant is a sum of log-scales. The prior is fast from z to its density,
the posterior from noise to its sample, which are the only directions needed.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from rdbound.models.layers import leaky_relu
from rdbound.ops import gaussian
from rdbound.ops.distributions import Gaussian

__all__ = ["AutoregressiveGaussian", "CouplingFlow", "MaskedPerceptron"]


def _bounded(log_scale: Float[Array, " n"]) -> Float[Array, " n"]:
    """Keep log-scales within ±3, so that a layer of a flow cannot diverge."""
    return 3.0 * jnp.tanh(log_scale / 3.0)


class CouplingFlow(nnx.Module):
    """A prior p(z) by affine couplings (Dinh, Sohl-Dickstein & Bengio 2017).

    Each of ``layers`` shifts and scales one half of the coordinates by a
    function of the other; halves alternate. Starts as N(0, I). Needs two
    dimensions at least. In each layer, with m the coordinates that are kept,

        z ← (z − t(m))·exp(−s(m)) elsewhere,  ln p gains −Σ s(m)

    and after the last the density of a learned N(μ, σ²) is added.

    Args:
      dimension: n of the vectors [n].
      layers: number of couplings.
      hidden: width of their networks of two hidden layers.
      rngs: random streams of the initial weights.

    Raises:
      ValueError: for one dimension.
    """

    def __init__(self, dimension: int, layers: int = 6, hidden: int = 32, *, rngs: nnx.Rngs):
        if dimension < 2:
            raise ValueError("a coupling flow needs at least two dimensions; use prior: mixture")
        self.mu = nnx.Param(jnp.zeros((dimension,)))
        self.log_sigma = nnx.Param(jnp.zeros((dimension,)))
        zeros = nnx.initializers.zeros
        self.hidden = nnx.List([nnx.Linear(dimension, hidden, rngs=rngs) for _ in range(layers)])
        self.middle = nnx.List([nnx.Linear(hidden, hidden, rngs=rngs) for _ in range(layers)])
        self.out = nnx.List(
            [nnx.Linear(hidden, 2 * dimension, kernel_init=zeros, rngs=rngs) for _ in range(layers)]
        )

    def __call__(self) -> "CouplingFlow":
        """Return itself: every prior module is called for its density."""
        return self

    def log_density(self, z: Float[Array, " n"]) -> Float[Array, ""]:
        """Return ln p(z) of a vector [n]."""
        total = jnp.zeros(())
        for i, (first, second, out) in enumerate(
            zip(self.hidden, self.middle, self.out, strict=True)
        ):
            mask = np.arange(len(z)) % 2 == i % 2
            kept = jnp.where(mask, z, 0.0)
            h = leaky_relu(second(leaky_relu(first(kept))))
            shift, log_scale = jnp.split(out(h), 2)
            log_scale = jnp.where(mask, 0.0, _bounded(log_scale))
            z = jnp.where(mask, z, (z - shift) * jnp.exp(-log_scale))
            total = total - log_scale.sum()
        return total + gaussian.log_density(z, self.mu[...], self.log_sigma[...]).sum()


class MaskedPerceptron(nnx.Module):
    """[n] and a context → [2n]; outputs i and n + i see inputs before i only (MADE, 2015).

    The context reaches every hidden unit. Its last layer starts at zero.
    """

    def __init__(self, dimension: int, context: int, hidden: int, *, rngs: nnx.Rngs):
        self.first = nnx.Linear(dimension, hidden, rngs=rngs)
        self.context = nnx.Linear(context, hidden, rngs=rngs)
        self.out = nnx.Linear(hidden, 2 * dimension, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(self, x: Float[Array, " n"], context: Float[Array, " c"]) -> Float[Array, " 2*n"]:
        """Apply with both kernels masked."""
        places = np.arange(len(x))
        hidden = self.first.out_features
        # A hidden unit of degree d sees inputs up to d, an output i units below i.
        degrees = np.arange(hidden) % max(len(x) - 1, 1)
        mask_in = (places[:, None] <= degrees).astype(np.float32)
        mask_out = np.tile((degrees[:, None] < places).astype(np.float32), (1, 2))
        h = x @ (self.first.kernel[...] * mask_in) + self.first.bias[...]  # type: ignore[index]
        h = leaky_relu(h + self.context(context))
        return h @ (self.out.kernel[...] * mask_out) + self.out.bias[...]  # type: ignore[index]


class AutoregressiveGaussian(NamedTuple):
    """A posterior by inverse autoregressive flow (Kingma et al. 2016).

    ``base`` is drawn first; then coordinate i is scaled and shifted by
    functions of the base's coordinates before it and of ``context``:

        ε ~ N(0, I),  z_i = μ_i + σ_i·ε_i·exp(s_i) + t_i,  (t, s) of ε_<i and context
        ln q(z) = Σ_i ln N(ε_i; 0, 1) − ln σ_i − s_i

    Attributes:
      base: the factorized Gaussian of the encoder.
      context: further input of the network.
      network: gives shifts and log-scales, [2n].
    """

    base: Gaussian
    context: Float[Array, " c"]
    network: MaskedPerceptron

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Return (sample, ln of its density), [n] each."""
        z, log_q = self.base.draw(key)
        standardized = (z - self.base.mu) * jnp.exp(-gaussian.bounded(self.base.log_sigma))
        shift, log_scale = jnp.split(self.network(standardized, self.context), 2)
        log_scale = _bounded(log_scale)
        # Around the base's mean, so that an untrained flow is the base itself.
        sample = self.base.mu + (z - self.base.mu) * jnp.exp(log_scale) + shift
        return sample, log_q - log_scale
