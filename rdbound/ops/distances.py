"""Squared distances between two sets of vectors, without cancellation."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["squared_distances"]

_BLOCK = 16  # dimensions that one pass over the distances adds


@jax.custom_vjp
def squared_distances(x: Float[Array, "k n"], y: Float[Array, "m n"]) -> Float[Array, "k m"]:
    """Return ‖x_i − y_j‖² for all rows of x and y.

    By differences: |x|² − 2x·y + |y|² is off by the rounding of |x|², which
    is more than a distance between neighbours far from the mean. The relative
    error is that of a sum of n squares, and nothing of shape [k, m, n] is kept. The
    gradient, 2·Σ_i g_ij·(y_j − x_i), is a matrix product: there only the rounding of
    x itself remains.
    """
    first = x.shape[1] % _BLOCK
    total = _add(jnp.zeros((len(x), len(y)), x.dtype), (x.T[:first], y.T[:first]))
    blocks = tuple(z.T[first:].reshape(-1, _BLOCK, len(z)) for z in (x, y))
    return jax.lax.scan(lambda sum_, block: (_add(sum_, block), None), total, blocks)[0]


def _add(total: jax.Array, block: tuple[jax.Array, ...]) -> jax.Array:
    """Return the total with the squared differences of dimensions ([b, k], [b, m]) added."""
    for a, b in zip(*block, strict=True):
        total = total + (a[:, None] - b[None, :]) ** 2
    return total


def _forward(x, y):
    return squared_distances(x, y), (x, y)


def _backward(residual, g):
    x, y = residual
    origin = x.mean(0, keepdims=True)  # of the rounding of the products
    x, y = x - origin, y - origin
    to_y = g.sum(0)[:, None] * y - jnp.matmul(g.T, x, precision="highest")
    to_x = g.sum(1)[:, None] * x - jnp.matmul(g, y, precision="highest")
    return 2 * to_x, 2 * to_y


squared_distances.defvjp(_forward, _backward)
