"""What a codec takes: what a stream declares must not decide how much is allocated."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from rdbound.coding.codecs.container import LONGEST_SIDE, BitstreamError, Header
from rdbound.models.base import LatentModel, check_lmbda
from rdbound.objective.datum import padded_shape

__all__ = ["MAX_PIXELS", "Limits", "check_image"]

MAX_PIXELS = 2**25
"""Padded pixels of an image (numbers of a block of vectors) that a codec takes by default.

33.5 million, above the 24 of most cameras. The shipped codec needs 230 to 320 bytes a
pixel (measured), so that the largest image takes about 8 GiB; a stream of thirty bytes
can declare any size."""


@dataclass(frozen=True)
class Limits:
    """The λ and the sizes that a codec writes, and so the only ones that it reads.

    Attributes:
      lmbda_range: of its model.
      padded: the size that the model sees of a datum (height, width); raises ValueError for
        one that it cannot take.
      max_pixels: of a padded datum; None for no limit.
    """

    lmbda_range: tuple[float, float]
    padded: Callable[[int, int], tuple[int, int]]
    max_pixels: int | None

    @classmethod
    def of_images(cls, model: LatentModel, max_pixels: int | None) -> "Limits":
        """Those of a model of images, padded to multiples of its stride."""
        return cls(model.lmbda_range, partial(padded_shape, stride=model.stride), max_pixels)

    def lmbda(self, asked: float | None) -> float:
        """A float32, the geometric middle of the range for None; ValueError outside it."""
        low, high = self.lmbda_range
        chosen = (low * high) ** 0.5 if asked is None else asked
        return check_lmbda(float(np.float32(chosen)), self.lmbda_range)

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise ValueError for too large a datum (height, width), before it is allocated."""
        if max(size) > LONGEST_SIDE:
            raise ValueError(
                f"{size[1]}×{size[0]}: a stream tells of no side above {LONGEST_SIDE:,}"
            )
        pixels = math.prod(self.padded(*size))
        if self.max_pixels is not None and pixels > self.max_pixels:
            raise ValueError(
                f"{size[1]}×{size[0]} is {pixels:,} pixels with its padding, more than the limit "
                f"of {self.max_pixels:,}; if that is meant, raise it with --max-pixels "
                "(max_pixels in Python)"
            )

    @contextmanager
    def met_by(self, header: Header) -> Iterator[None]:
        """Check a header, then what is done with its size and λ: BitstreamError for ValueError."""
        try:
            check_lmbda(header.lmbda, self.lmbda_range)
            self.check_size((header.height, header.width))
            yield
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise BitstreamError(f"not a stream to decode: {reason}") from None


def check_image(image: np.ndarray) -> None:
    """Raise ValueError for what is no uint8 image [h, w, 3]."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"expected a uint8 image [h, w, 3], not {image.dtype} {image.shape}")
