"""Codecs from outside, to stand beside ours: classical ones, and whatever a command line runs.

    codec = make_external("webp")
    data = codec.encode(image, 75)  # a whole file
    codec.decode(data, image.shape[:2])

Each is a frozen record, so that another process can have it. A setting is the encoder's own
number for quality, whichever way it counts.
"""

from collections.abc import Callable

from rdbound.baselines.base import ExternalCodec
from rdbound.baselines.command import CommandCodec
from rdbound.baselines.measure import Measured, measure_codec
from rdbound.baselines.pillow import AVIF, JPEG, JPEG_2000, JPEG_XL, WEBP, PillowCodec
from rdbound.baselines.vvc import VVC
from rdbound.utils.registry import find

__all__ = [
    "EXTERNAL",
    "CommandCodec",
    "ExternalCodec",
    "Measured",
    "PillowCodec",
    "VVC",
    "make_external",
    "measure_codec",
]

EXTERNAL: dict[str, Callable[[], ExternalCodec]] = {
    "jpeg": lambda: JPEG,
    "jpeg-444": lambda: JPEG.at_full_colour(),
    "webp": lambda: WEBP,
    "avif": lambda: AVIF,
    "avif-444": lambda: AVIF.at_full_colour(),
    "jpeg2000": lambda: JPEG_2000,
    "jxl": lambda: JPEG_XL,
    "vvc": VVC,
}


def make_external(name: str) -> ExternalCodec:
    """A codec by name; raises ValueError for one that is not in :data:`EXTERNAL`."""
    return find("codec", EXTERNAL, name)()
