"""How large a datum a codec takes: what a stream declares must not decide how much is allocated."""

import math

__all__ = ["MAX_PIXELS", "check_pixels"]

MAX_PIXELS = 2**25
"""Padded pixels of an image (numbers of a block of vectors) that a codec takes by default.

33.5 million, above the 24 of most cameras. The shipped codec needs 230 to 320 bytes a
pixel (measured), so that the largest image takes about 8 GiB; a stream of thirty bytes
can declare any size."""


def check_pixels(size: tuple[int, int], padded: tuple[int, int], limit: int | None) -> None:
    """Raise ValueError where ``padded`` is more than ``limit`` pixels; None is no limit.

    ``size``, (height, width), is what the message tells.
    """
    pixels = math.prod(padded)
    if limit is not None and pixels > limit:
        raise ValueError(
            f"{size[1]}×{size[0]} is {pixels:,} pixels with its padding, more than the limit of "
            f"{limit:,}; if that is meant, raise it with --max-pixels (max_pixels in Python)"
        )
