"""What is compressed: one datum."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Datum"]


class Datum(NamedTuple):
    """One image or one vector, ready for a model.

    ``x``: [H, W, C] in [0, 1], padded to the model's stride, or a vector [n].
    ``mask``: [H, W, 1] or [n], 1 where distortion counts and 0 in the padding.
    """

    x: jax.Array
    mask: jax.Array

    @property
    def pixels(self) -> jax.Array:
        """The number of pixels (dimensions for a vector) that the rate is divided by."""
        return jnp.sum(self.mask)
