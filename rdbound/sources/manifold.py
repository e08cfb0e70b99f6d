"""A smooth manifold of low dimension in a space of high dimension."""

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import NonNegativeInt, PositiveInt, validate_call

from rdbound.sources.base import Point, check_positive
from rdbound.utils.registry import OPTIONS

__all__ = ["Manifold"]


class Manifold:
    """x = B·tanh(A·z + a), z ~ N(0, I) of ``intrinsic`` dimensions, x of ``dimension``.

    A random generator of one hidden layer, drawn from ``seed`` and scaled so
    that the variance of a component of x is about one. At high rate R(D) grows
    by intrinsic/2 bits per halving of D, whatever the ambient dimension.

    Args:
      intrinsic: dimension of z.
      dimension: dimension of x.
      hidden: width of the layer.
      seed: seed of A, B and a.

    Raises:
      ValueError: unless 1 ≤ intrinsic ≤ dimension and hidden ≥ 1.
    """

    distortion = "squared"

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        intrinsic: PositiveInt,
        dimension: PositiveInt,
        hidden: PositiveInt = 64,
        seed: NonNegativeInt = 0,
    ):
        if intrinsic > dimension:
            raise ValueError(
                f"a manifold of {intrinsic} dimensions does not fit into {dimension}: "
                "choose 1 ≤ intrinsic ≤ dimension"
            )
        self.intrinsic, self.dimension = intrinsic, dimension
        draw = np.random.default_rng(seed)
        self._inner = draw.normal(size=(intrinsic, hidden)) / np.sqrt(intrinsic)
        self._shift = draw.normal(size=hidden) * 0.5
        # tanh of about N(0, 1.25) has a variance of about 0.43.
        self._outer = draw.normal(size=(hidden, dimension)) / np.sqrt(0.43 * hidden)

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, n]."""
        z = jax.random.normal(key, (count, self.intrinsic))
        inner, shift, outer = (
            jnp.asarray(a, jnp.float32) for a in (self._inner, self._shift, self._outer)
        )
        return jnp.tanh(z @ inner + shift) @ outer

    def exact(self, lmbda: float) -> Point | None:
        """Return None, since no closed form is known; raise ValueError unless λ > 0."""
        check_positive(lmbda)
        return None
