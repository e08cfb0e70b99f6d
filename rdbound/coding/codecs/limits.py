"""Limits of a codec: the λ and the sizes that it encodes and decodes.

A file must not decide how much memory its reader allocates.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from rdbound.coding.codecs.container import LONGEST_SIDE, BitstreamError, Header
from rdbound.models.base import check_lmbda

__all__ = ["MAX_PIXELS", "Limits"]

MAX_PIXELS = 2**25
"""Padded pixels of an image (numbers of a block of vectors) that a codec takes by default.

33.5 million, above the 24 of most cameras. The shipped codec needs 230 to 320 bytes a
pixel (measured), so that the largest image takes about 8 GiB; a stream of thirty bytes
can declare any size."""


@dataclass(frozen=True)
class Limits:
    """The λ and the sizes that a codec encodes, and so the only ones that it decodes.

    Attributes:
      lmbda_range: the model's range of λ.
      padded: the function from a datum's size (height, width) to the size that the model sees;
        it raises ValueError for a size that the model cannot take.
      max_pixels: limit on the pixels of a padded datum; None for no limit.
    """

    lmbda_range: tuple[float, float]
    padded: Callable[[int, int], tuple[int, int]]
    max_pixels: int | None

    def lmbda(self, chosen: float | None) -> float:
        """Return λ as a float32 number, the geometric middle of the range for None.

        Raises:
          ValueError: outside the range.
        """
        low, high = self.lmbda_range
        value = (low * high) ** 0.5 if chosen is None else chosen
        return check_lmbda(float(np.float32(value)), self.lmbda_range)

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise ValueError for too large a datum (height, width), before it is allocated."""
        if max(size) > LONGEST_SIDE:
            raise ValueError(f"{size[1]}×{size[0]}: a file holds no side above {LONGEST_SIDE:,}")
        pixels = math.prod(self.padded(*size))
        if self.max_pixels is not None and pixels > self.max_pixels:
            raise ValueError(
                f"{size[1]}×{size[0]} is {pixels:,} pixels with its padding, more than the limit "
                f"of {self.max_pixels:,}; raise it with --max-pixels (max_pixels in Python)"
            )

    @contextmanager
    def met_by(self, header: Header) -> Iterator[None]:
        """Check a header, and turn ValueError in the body into BitstreamError."""
        try:
            check_lmbda(header.lmbda, self.lmbda_range)
            self.check_size((header.height, header.width))
            yield
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise BitstreamError(f"not a stream to decode: {reason}") from None
