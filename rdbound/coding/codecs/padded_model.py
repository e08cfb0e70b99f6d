"""Images of many sizes by one program each side: in frames, whatever their size.

What lies outside an image in its frame is zero to every layer (:mod:`rdbound.ops.extent_mask`).
The state that the decoder holds is the frame's; what a coder writes and reads is the
image's alone, so that a stream has no latent more.
"""

from typing import Any

import jax
import numpy as np

from rdbound.coding.codecs.compiled_model import CompiledModel
from rdbound.models.base import is_framed
from rdbound.objective.datum import frame_of, of_size
from rdbound.ops.extent_mask import Extent

__all__ = ["Framed", "in_frames"]


class Framed:
    """The six sides of an image of one size, computed in the least frame that holds it.

    Args:
      of: compiled sides of a model that is ``framed``
        (:mod:`rdbound.models.base`).
      size: (height, width) of the image, padded to multiples of the stride.
      stride: of the model.
    """

    def __init__(self, of: CompiledModel, size: tuple[int, int], stride: int):
        self._size, self._frame = size, frame_of(size, stride)
        self._of = of.within(Extent(*map(np.int32, (*size, *self._frame))))  # type: ignore[arg-type]

    def infer(self, x: Any, lmbda: Any) -> Any:
        """The variational parameters of each level."""
        (height, width), (h, w) = self._frame, self._size
        filled: Any = np.pad(x, ((0, height - h), (0, width - w), (0, 0)), mode="edge")
        return self._cut(self._of.infer(filled, lmbda))

    def start(self, lmbda: Any) -> Any:
        """The state before the first level."""
        return self._of.start(lmbda)

    def prior(self, level: int, state: Any) -> Any:
        """The prior of ``level``, of NumPy arrays."""
        return self._cut(self._of.prior(level, state))

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        """The posterior of ``level``, of NumPy arrays."""
        return self._cut(self._of.posterior(level, state, self._filled(variational)))

    def absorb(self, level: int, state: Any, latent: Any) -> Any:
        """The state after ``level``."""
        return self._of.absorb(level, state, self._filled(latent))

    def synthesize(self, state: Any) -> Any:
        """The reconstruction."""
        return self._cut(self._of.synthesize(state))

    def _cut(self, tree: Any) -> Any:
        """Arrays of three axes, of any resolution, to the image."""
        return _of_size(tree, self._frame, self._size)

    def _filled(self, tree: Any) -> Any:
        """Arrays of three axes with zeros in the rest of the frame."""
        return _of_size(tree, self._size, self._frame)


def in_frames(model: Any, of: CompiledModel, size: tuple[int, int]) -> Any:
    """The sides for images of one padded size: in a frame where the model is ``framed``."""
    return Framed(of, size, model.stride) if is_framed(model) else of


def _of_size(tree: Any, now: tuple[int, int], then: tuple[int, int]) -> Any:
    def one(leaf):
        return of_size(np.asarray(leaf), now, then) if leaf.ndim == 3 else leaf

    return jax.tree.map(one, tree)
