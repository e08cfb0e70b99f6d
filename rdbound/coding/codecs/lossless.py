"""Lossless images: after the latents every pixel, by the distribution that they determine.

The reconstruction of a lossless model is a distribution of pixels
(:class:`rdbound.ops.discretized_logistic.PixelDistribution`).
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rdbound.coding.codecs.errors import finite
from rdbound.coding.codecs.image import ImageKind
from rdbound.coding.entropy.pixel_coder import read_levels, write_levels
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import LevelModel
from rdbound.ops.discretized_logistic import PixelDistribution

__all__ = ["LosslessImages", "pixel_distribution"]


def pixel_distribution(model: LevelModel, state: Any) -> PixelDistribution:
    """Return the distribution of the pixels, of NumPy arrays; raise BitstreamError for NaN."""
    return jax.tree.map(finite, model.synthesize(state))


class LosslessImages(ImageKind):
    """Images that the decoder returns exactly. They are never computed in tiles."""

    def level_model(self, height: int, width: int) -> LevelModel:
        """Return the compiled model."""
        return self.whole(height, width)

    def write_rest(self, model: LevelModel, state: Any, datum: np.ndarray, stream: Writer) -> None:
        """Write the pixels."""
        write_levels(pixel_distribution(model, state), datum, stream)

    def read_rest(
        self, model: LevelModel, state: Any, size: tuple[int, int], stream: Reader
    ) -> Callable[[], np.ndarray]:
        """Read the pixels."""
        levels = read_levels(pixel_distribution(model, state), size, stream)
        return lambda: levels
