"""An image or vector with its mask, and its size in a larger array.

    datum = image_datum(image, stride=64)  # uint8 [h, w, 3] → x [H, W, 3], mask [H, W, 1]
    datum = whole(vector)  # [n] → x [n], mask [n]

The mask is what makes sizes that are no multiple of the stride cost what they cost:
every function that divides by pixels, or averages an error, counts the mask.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from rdbound.ops.extent_mask import Extent

__all__ = [
    "Datum",
    "extent",
    "frame_of",
    "image_datum",
    "in_frame",
    "of_size",
    "padded_shape",
    "resized",
    "stack",
    "whole",
]


class Datum(NamedTuple):
    """One image or one vector, ready for a model; a pytree, so that it can be batched.

    Attributes:
      x: [H, W, C] in [0, 1], padded to the model's stride, or a vector [n].
      mask: [H, W, 1] or [n], 1 where distortion counts and 0 in the padding.
    """

    x: Float[Array, "*shape"]
    mask: Float[Array, "*masked"]

    @property
    def pixels(self) -> Float[Array, ""]:
        """Return the number of pixels (dimensions of a vector) that the rate is divided by."""
        return jnp.sum(self.mask)


def whole(x: Num[Array, "*shape"]) -> Datum:
    """Return a datum of ``x`` [H, W, C] or [n] without padding."""
    shape = (*x.shape[:-1], 1) if x.ndim == 3 else x.shape
    return Datum(x, jnp.ones(shape, jnp.float32))


def padded_shape(height: Any, width: Any, stride: int) -> tuple[Any, Any]:
    """Return the smallest multiples of ``stride`` not below (height, width)."""
    return -(-height // stride) * stride, -(-width // stride) * stride


def image_datum(image: Num[np.ndarray, "h w c"], stride: int) -> Datum:
    """Return a datum of a uint8 image [h, w, 3], padded by edge replication.

    The padding's rate counts (its latents are conveyed); its distortion does
    not (its mask is 0).

    Args:
      image: levels 0–255, [h, w, 3].
      stride: the sides of the datum are multiples of it.
    """
    h, w = image.shape[:2]
    height, width = padded_shape(h, w, stride)
    extra = ((0, height - h), (0, width - w))
    x = np.pad(image, (*extra, (0, 0)), mode="edge").astype(np.float32) / 255.0
    mask = np.pad(np.ones((h, w, 1), np.float32), (*extra, (0, 0)))
    return Datum(jnp.asarray(x), jnp.asarray(mask))


def stack(data: Sequence[Datum]) -> Datum:
    """Return data of one shape as one, with a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *data)


FRAME_CELLS = 4
"""Sides of a frame, the array of images of many sizes, are multiples of this number of cells
of stride × stride pixels."""


def frame_of(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return (height, width) of the smallest frame that holds an image of ``size``."""
    return padded_shape(*size, FRAME_CELLS * stride)


def in_frame(data: Datum, stride: int) -> Datum:
    """Pad images [..., H, W, C] to the smallest frame that holds them.

    The added pixels have no latents that count: see :mod:`rdbound.ops.extent_mask`.
    """
    *leading, h, w, _ = data.x.shape
    height, width = frame_of((h, w), stride)
    extra = [*[(0, 0)] * len(leading), (0, height - h), (0, width - w), (0, 0)]
    return Datum(jnp.pad(data.x, extra, mode="edge"), jnp.pad(data.mask, extra))


def extent(datum: Datum, stride: int) -> Extent:
    """Return the extent of the padded image in its frame, from its mask."""
    height, width = datum.x.shape[:2]
    rows, columns = (jnp.sum(datum.mask.max(axis=(axis, 2))) for axis in (1, 0))
    own = padded_shape(rows.astype(jnp.int32), columns.astype(jnp.int32), stride)
    return Extent(*own, height, width)


def resized(variational: Any, now: Datum, then: Datum) -> Any:
    """Crop or zero-pad variational parameters to other frames of the same images.

    Args:
      variational: a pytree of [examples, members, h, w, C], of any resolutions.
      now: the data in the frames of ``variational``, [examples, members, H, W, 3].
      then: the same data in other frames.
    """
    before, after = now.x.shape[2:4], then.x.shape[2:4]
    if before == after:
        return variational
    return jax.tree.map(lambda leaf: of_size(leaf, before, after, jnp.pad), variational)


def of_size(
    array: Any, now: Sequence[int], then: Sequence[int], pad: Callable[..., Any] = np.pad
) -> Any:
    """Crop or zero-pad an array [..., h, w, C], of any resolution, to another frame.

    Args:
      array: the array.
      now: (height, width) of its frame in pixels.
      then: (height, width) of the frame returned.
      pad: ``np.pad`` or ``jnp.pad``.
    """
    rows, columns = (n * b // a for n, a, b in zip(array.shape[-3:-1], now, then, strict=True))
    kept = array[..., :rows, :columns, :]
    extra = [(0, 0)] * (array.ndim - 3)
    return pad(kept, [*extra, (0, rows - kept.shape[-3]), (0, columns - kept.shape[-2]), (0, 0)])
