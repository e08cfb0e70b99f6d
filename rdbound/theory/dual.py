"""Csiszár's dual of R(D) with a network: ln u, and the supremum that a bound from below needs.

The parts of :mod:`rdbound.theory.dual_lower_bound` (Yang & Mandt 2022, arXiv
2111.12166, §4), whose notation is used here.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.models.vector_vae import Dense
from rdbound.ops.distances import squared_distances

__all__ = ["LogU", "log_supremum"]


class LogU(nnx.Module):
    """Ln u(x): a perceptron of the standardized x and of its squared length, above a floor.

    Where the Shannon lower bound is tight the best u is proportional to the
    density. With k samples it must not follow the density into its tails: where
    u < 1/(k·c), one outlier is a supremum by itself. The floor starts there
    (the perceptron at 0) and is learned, as all else.

    Args:
      mean: of the source, [n].
      deviation: its standard deviations, [n].
      samples: k.
      hidden: widths of the layers.
      rngs: of the initial weights.
    """

    def __init__(
        self,
        mean: np.ndarray,
        deviation: np.ndarray,
        samples: int,
        hidden: Sequence[int],
        rngs: nnx.Rngs,
    ):
        self.floor = nnx.Param(jnp.asarray(-np.log(samples), jnp.float32))
        self.mean = nnx.Param(jnp.asarray(mean, jnp.float32))
        self.precision = nnx.Param(1.0 / jnp.asarray(deviation, jnp.float32))
        self.network = Dense(len(mean) + 1, hidden, 1, rngs, zero=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[n] → scalar."""
        z = (x - self.mean[...]) * self.precision[...]
        return jnp.logaddexp(self.network(jnp.append(z, jnp.mean(z**2)))[0], self.floor[...])


def log_supremum(
    x: jax.Array, log_u: jax.Array, slope: float | jax.Array, starts: int, steps: int
) -> tuple[jax.Array, jax.Array]:
    """Ln C_k = ln sup_y (1/k)·Σ exp(−s·‖x_i − y‖²)/u(x_i), and the y that was found.

    Args:
      x: samples, [k, n].
      log_u: ln u at them, [k].
      slope: s.
      starts: how many of the samples, the best first, ascent begins from.
      steps: of mean shift, y ← Σ w_i·x_i with w the softmax of the terms
        (Carreira-Perpiñán 2007): each raises the sum.
    """
    origin = x.mean(0)  # of the rounding of what mean shift averages
    x = x - origin

    def terms(y):
        return -slope * squared_distances(y, x) - log_u

    y = x
    if starts < len(x):
        _, best = jax.lax.top_k(jax.nn.logsumexp(terms(x), axis=1), starts)
        y = x[best]

    def shift(_, y):
        return jnp.matmul(jax.nn.softmax(terms(y), axis=1), x, precision="highest")

    y = jax.lax.fori_loop(0, steps, shift, y)
    values = jax.nn.logsumexp(terms(y), axis=1) - jnp.log(len(x))
    chosen = jnp.argmax(values)
    return values[chosen], y[chosen] + origin
