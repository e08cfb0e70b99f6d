"""Rounding, its straight-through gradient, and its stochastic relaxation.

The gradient of rounding is zero almost everywhere. Straight-through keeps its
value and takes the gradient of another function; stochastic Gumbel annealing is
another function, with its own gradient, that becomes rounding as it cools.
"""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, ScalarLike

__all__ = [
    "annealed_round",
    "kumaraswamy",
    "lower_bound",
    "sga_round",
    "soft_round",
    "straight_through_round",
]


def straight_through_round(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return round(x) with the gradient of the identity (Bengio, Léonard & Courville 2013)."""
    return x + jax.lax.stop_gradient(jnp.round(x) - x)


@jax.custom_vjp
def lower_bound(x: Float[ArrayLike, "*shape"], bound: ScalarLike) -> Float[Array, "*shape"]:
    """Return max(x, bound), with a gradient also below the bound if descent would raise ``x``.

    With the plain maximum, an entry that once falls below the bound never
    returns. The convention is that of Ballé et al. 2018 (tfc.ops.lower_bound):
    below the bound a gradient passes where it is negative, and is zero otherwise.
    ``bound`` gets no gradient.
    """
    return jnp.maximum(x, bound)


def _lower_bound_forward(x, bound):
    return jnp.maximum(x, bound), (x, bound)


def _lower_bound_backward(residual, gradient):
    x, bound = residual
    passes = (x >= bound) | (gradient < 0)
    return jnp.where(passes, gradient, 0.0), None


lower_bound.defvjp(_lower_bound_forward, _lower_bound_backward)


def sga_round(
    key: PRNGKeyArray, x: Float[Array, "*shape"], temperature: ScalarLike
) -> Float[Array, "*shape"]:
    """Return a relaxed draw between floor(x) and ceil(x), by stochastic Gumbel annealing.

    The two logits are −atanh(distance)/τ and the draw is a Gumbel-softmax at
    the same τ (Yang, Bamler & Mandt 2020, eqs. 8–9). Distances are clipped to
    1 − 1e-5, where atanh would be infinite. ``temperature`` is a positive
    scalar; as it falls to 0 the result becomes round(x).

    Args:
      key: PRNG key of the Gumbel noise.
      x: values to be rounded.
      temperature: τ, the same in the logits and in the softmax.

    Returns:
      Values in [floor(x), floor(x) + 1].
    """
    low, logits = _neighbours(x, temperature)
    noise = jax.random.gumbel(key, logits.shape, logits.dtype)
    weights = jax.nn.softmax((logits + noise) / temperature, axis=-1)
    return low + weights[..., 1]


def annealed_round(x: Float[Array, "*shape"], temperature: ScalarLike) -> Float[Array, "*shape"]:
    """Return the mean of the two neighbours under the probabilities of :func:`sga_round`.

    Deterministic annealing (A4 of Yang, Bamler & Mandt 2020; Agustsson et al. 2017).
    """
    low, logits = _neighbours(x, temperature)
    return low + jax.nn.softmax(logits, axis=-1)[..., 1]


def _neighbours(x: jax.Array, temperature: ScalarLike) -> tuple[jax.Array, jax.Array]:
    """Return the floor, and the logits of floor and ceiling, [..., 2]."""
    low = jnp.floor(x)
    distance = jnp.stack([x - low, low + 1.0 - x], axis=-1)
    return low, -jnp.arctanh(jnp.clip(distance, 0.0, 1.0 - 1e-5)) / temperature


def soft_round(x: Float[Array, "*shape"], temperature: ScalarLike) -> Float[Array, "*shape"]:
    """Return a smooth increasing function through the integers and the halves between them.

    ⌊x⌋ + ½ + tanh(Δ/T) / (2·tanh(1/2T)), Δ = x − ⌊x⌋ − ½ (Agustsson & Theis 2020, §4.1,
    with α = 1/T): rounding as T → 0, the identity as T → ∞.
    """
    middle = jnp.floor(x) + 0.5
    half = jnp.tanh(0.5 / temperature)
    return middle + 0.5 * jnp.tanh((x - middle) / temperature) / half


def kumaraswamy(
    key: PRNGKeyArray, a: ScalarLike, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> Float[Array, "..."]:
    """Return draws in (0, 1) with the distribution function 1 − (1 − x^a)^b and the mode ½.

    b = (2^a·(a − 1) + 1)/a (Kim et al. 2024, appendix A.1). The density is uniform for a = 1, more
    peaked for a larger ``a``, and not symmetric.
    """
    b = (2.0**a * (a - 1.0) + 1.0) / a
    u = jax.random.uniform(key, shape, dtype)
    return (1.0 - (1.0 - u) ** (1.0 / b)) ** (1.0 / a)
