"""Errors of decoding: how failures inside a decoder become one sentence."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from rdbound.coding.codecs.container import BitstreamError, Header
from rdbound.coding.entropy.range_coder import Reader, is_lost

__all__ = ["OTHER_ARITHMETIC", "check_read", "finite", "unless_lost"]

OTHER_ARITHMETIC = (
    "the stream is whole, but this machine's arithmetic differs from the encoder's by more than "
    "the guard band (the table indexes do not match); decode in float32 on a CPU"
)


def finite(x_hat: Any) -> np.ndarray:
    """Return a reconstruction as a NumPy array; raise BitstreamError unless it is finite."""
    x_hat = np.asarray(x_hat)
    if not np.isfinite(x_hat).all():
        raise BitstreamError("the model's reconstruction is not finite: its weights are broken")
    return x_hat


def check_read(reader: Reader, header: Header) -> None:
    """Raise BitstreamError unless all was read, through the table indexes of the encoder."""
    if reader.crc != header.index_crc or not reader.exhausted():
        raise BitstreamError(OTHER_ARITHMETIC)


T = TypeVar("T")


def unless_lost(read: Callable[[], T]) -> T:
    """Return ``read()``; raise BitstreamError if it meets symbols that no encoder writes."""
    try:
        return read()
    except BaseException as error:
        # The payload's checksum was right: the arithmetic differs.
        if is_lost(error):
            raise BitstreamError(OTHER_ARITHMETIC) from None
        raise
