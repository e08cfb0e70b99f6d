"""What comes out of a decoder: an image, or an error that says why there is none."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from rdbound.coding.codecs.container import BitstreamError, Header
from rdbound.coding.entropy.range_coder import is_lost

__all__ = ["OTHER_ARITHMETIC", "as_image", "finite", "unless_lost"]

OTHER_ARITHMETIC = (
    "the stream is whole, but this machine's arithmetic differs from the encoder's by more than "
    "the guard band (the table indexes do not match); decode in float32 on a CPU"
)


def finite(x_hat: Any) -> np.ndarray:
    """A reconstruction, of NumPy; BitstreamError where it is not finite."""
    x_hat = np.asarray(x_hat)
    if not np.isfinite(x_hat).all():
        raise BitstreamError("the model's reconstruction is not finite: its weights are broken")
    return x_hat


def as_image(header: Header, x_hat: np.ndarray) -> np.ndarray:
    """A reconstruction in [0, 1] → uint8 [h, w, 3], without its padding."""
    image = np.rint(np.clip(x_hat, 0.0, 1.0) * 255.0).astype(np.uint8)
    return image[: header.height, : header.width]


T = TypeVar("T")


def unless_lost(read: Callable[[], T]) -> T:
    """``read()``; BitstreamError where the decoder has lost the thread."""
    try:
        return read()
    except BaseException as error:
        # The payload's checksum was right: what differs is the arithmetic.
        if is_lost(error):
            raise BitstreamError(OTHER_ARITHMETIC) from None
        raise
