"""Images of many sizes by one program for each method: in larger arrays of few sizes.

To every layer, what lies outside the image is zero (:mod:`rdbound.ops.extent_mask`). The state
has the array's size; priors, posteriors, latents and the reconstruction have the image's.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rdbound.models.base import Intercepted, LevelModel
from rdbound.objective.datum import frame_of, of_size
from rdbound.ops.extent_mask import Extent

__all__ = ["padded"]


def padded(model: LevelModel, size: tuple[int, int], stride: int) -> LevelModel:
    """Return the level model of images of one size, computed in the least array that holds them.

    Args:
      model: a compiled level model with ``framed = True`` (:mod:`rdbound.models.base`).
      size: (height, width) of the images, multiples of the stride.
      stride: the model's stride.
    """
    frame = frame_of(size, stride)
    # Arguments of the programs, not constants: one program serves all sizes.
    extent = Extent(*map(np.int32, (*size, *frame)))  # type: ignore[arg-type]

    def cropped(tree: Any) -> Any:
        return _resized(tree, frame, size)

    def filled(tree: Any) -> Any:
        return _resized(tree, size, frame)

    def around(name: str, level: int | None, call: Callable[..., Any], *arguments: Any) -> Any:
        if name == "infer":
            x, lmbda, _ = arguments
            extra = [(0, after - now) for now, after in zip(size, frame, strict=True)]
            return cropped(call(np.pad(x, (*extra, (0, 0)), mode="edge"), lmbda, extent))
        if name == "start":
            return call(arguments[0], extent)
        if name == "absorb":
            return call(arguments[0], filled(arguments[1]))
        if name == "posterior":
            return cropped(call(arguments[0], filled(arguments[1])))
        return cropped(call(*arguments))

    return Intercepted(model, around)


def _resized(tree: Any, now: tuple[int, int], then: tuple[int, int]) -> Any:
    """Crop arrays of three axes, of any resolution, or fill them up with zeros."""

    def one(leaf):
        return of_size(np.asarray(leaf), now, then) if leaf.ndim == 3 else leaf

    return jax.tree.map(one, tree)
