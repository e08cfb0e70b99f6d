"""Streams of which something is missing or wrong."""

import pytest

from rdbound.coding import BitstreamError


def assert_refused(decode, data):
    """Every truncation, and every byte that is another, is an error."""
    for n in range(len(data)):
        with pytest.raises(BitstreamError):
            decode(data[:n])
        damaged = bytearray(data)
        damaged[n] ^= 0x55
        with pytest.raises(BitstreamError):
            decode(bytes(damaged))
