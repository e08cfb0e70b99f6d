"""Images of many sizes in arrays of few: what lies outside an image is zero to its layers.

    with inside(Extent(rows, columns, height, width)):
        y = model.infer(x, lmbda)

The array has height × width pixels, the image its first rows × columns, which may be known
only when the program runs. A convolution that pads with zeros sees them where the image
ends (:func:`confined`), so that every value within is that of an array of the image's
own size, and one program serves all sizes that a frame holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Extent", "confined", "inside"]


class Extent(NamedTuple):
    """Of an image in an array, in pixels: ``rows`` × ``columns`` of ``height`` × ``width``."""

    rows: jax.Array | int
    columns: jax.Array | int
    height: int
    width: int


_EXTENT: ContextVar[Extent | None] = ContextVar("extent", default=None)


@contextmanager
def inside(extent: Extent | None) -> Iterator[None]:
    """What is traced or computed within takes the image to have this extent; None for all of it."""
    token = _EXTENT.set(extent)
    try:
        yield
    finally:
        _EXTENT.reset(token)


def confined(x: jax.Array) -> jax.Array:
    """``x`` [h, w, C] of any resolution, with zeros outside the image."""
    extent = _EXTENT.get()
    if extent is None:
        return x
    h, w = x.shape[:2]
    below = (jnp.arange(h) * extent.height < extent.rows * h)[:, None, None]
    right = (jnp.arange(w) * extent.width < extent.columns * w)[None, :, None]
    return jnp.where(below & right, x, jnp.zeros((), x.dtype))
