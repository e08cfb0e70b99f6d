"""Images of many sizes in arrays of few: zeros outside the image.

An array of height × width pixels holds an image in its first rows × columns. The rows and
columns may be known only when the program runs, so that one program serves all sizes that
fit in the array. Each convolution that pads with zeros first sets to zero what lies outside
the image (:func:`confined`): every value inside is then that of an array of the image's
own size.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

__all__ = ["Extent", "confined"]


class Extent(NamedTuple):
    """The size of an image in a larger array, in pixels.

    Attributes:
      rows, columns: size of the image, padded to multiples of the model's stride.
      height, width: size of the array.
    """

    rows: Int[Array, ""] | int
    columns: Int[Array, ""] | int
    height: Int[Array, ""] | int
    width: Int[Array, ""] | int


def confined(x: Float[Array, "h w c"], extent: Extent | None) -> Float[Array, "h w c"]:
    """Set to zero what lies outside the image.

    Args:
      x: an array of any resolution, [h, w, C].
      extent: the image's size in an array of the full resolution; None if the image fills it.

    Returns:
      ``x`` with zeros outside the image.
    """
    if extent is None:
        return x
    h, w = x.shape[:2]
    below = (jnp.arange(h) * extent.height < extent.rows * h)[:, None, None]
    right = (jnp.arange(w) * extent.width < extent.columns * w)[None, :, None]
    return jnp.where(below & right, x, jnp.zeros((), x.dtype))
