"""Images: padding to the stride, and 8-bit reconstructions."""

from abc import ABC
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rdbound.coding.codecs.base import DatumKind
from rdbound.coding.codecs.compiled_model import compiled
from rdbound.coding.codecs.errors import finite
from rdbound.coding.codecs.padded_model import padded
from rdbound.coding.codecs.tiling import Tiling, is_large, tiled, tiling_of
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import LatentModel, LevelModel, is_framed
from rdbound.objective.datum import image_datum, padded_shape
from rdbound.objective.levels import latent_shapes

__all__ = ["ImageKind", "Images", "as_image"]


def as_image(size: tuple[int, int], x_hat: Any) -> np.ndarray:
    """Return a reconstruction as a uint8 image without its padding.

    Args:
      size: (height, width) of the image.
      x_hat: the model's reconstruction, [H, W, 3], real-valued.

    Raises:
      BitstreamError: if the reconstruction is not finite.
    """
    image = np.rint(np.clip(finite(x_hat), 0.0, 1.0) * 255.0).astype(np.uint8)
    return image[: size[0], : size[1]]


class ImageKind(DatumKind, ABC):
    """Images padded to the stride, whatever follows their latents.

    Args:
      model: a model of images; its weights are copied.
    """

    def __init__(self, model: LatentModel):
        self._stride, self._framed = model.stride, is_framed(model)
        self._model, self._compiled = model, compiled(model)
        self._shapes: dict[tuple[int, int], Sequence[tuple[int, ...]]] = {}

    def size(self, datum: np.ndarray) -> tuple[int, int]:
        """Return (height, width); raise ValueError for anything but a uint8 image [h, w, 3]."""
        if datum.dtype != np.uint8 or datum.ndim != 3 or datum.shape[2] != 3 or not datum.size:
            raise ValueError(f"expected a uint8 image [h, w, 3], not {datum.dtype} {datum.shape}")
        return datum.shape[0], datum.shape[1]

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size in multiples of the stride."""
        return padded_shape(height, width, self._stride)

    def array(self, datum: np.ndarray) -> Any:
        """Return the padded image in [0, 1]."""
        return image_datum(datum, self._stride).x

    def latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        """Return the shape of each level's latent, traced once for each padded size."""
        size = self.padded(height, width)
        if size not in self._shapes:
            self._shapes[size] = latent_shapes(self._model, (*size, 3))
        return self._shapes[size]

    def whole(self, height: int, width: int) -> LevelModel:
        """Return the model of whole images: many sizes share a program if the model allows."""
        size = self.padded(height, width)
        return padded(self._compiled, size, self._stride) if self._framed else self._compiled


class Images(ImageKind):
    """Images of which the decoder returns the reconstruction, in 8 bits."""

    def level_model(self, height: int, width: int) -> LevelModel:
        """Return the compiled model, in tiles if the image is large.

        Raises:
          ValueError: for a large image if the model does not declare its ``reach``.
        """
        size = self.padded(height, width)
        if is_large(*size):
            return tiled(self._compiled, self._tiling, size)
        return self.whole(height, width)

    @cached_property
    def _tiling(self) -> Tiling:
        return tiling_of(self._model)

    def write_rest(self, model: LevelModel, state: Any, datum: np.ndarray, stream: Writer) -> None:
        """Write nothing: the latents determine the reconstruction."""

    def read_rest(
        self, model: LevelModel, state: Any, size: tuple[int, int], stream: Reader
    ) -> Callable[[], np.ndarray]:
        """Return the function that synthesizes the image."""
        return lambda: as_image(size, model.synthesize(state))
