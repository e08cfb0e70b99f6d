"""Baseline codecs: classical codecs, and any program with a command line.

    codec = make_baseline("webp")
    data = codec.encode(image, 75)  # a whole file
    codec.decode(data, image.shape[:2])

A codec is a frozen record, so that it can be passed to another process. A setting is the
encoder's own number for quality, in whichever direction it counts.
"""

from rdbound.baselines.base import BaselineCodec
from rdbound.baselines.command import CommandCodec
from rdbound.baselines.measure import measure_codec
from rdbound.baselines.pillow import AVIF, JPEG, JPEG_2000, JPEG_XL, WEBP, PillowCodec
from rdbound.baselines.points import CodecPoint
from rdbound.baselines.vvc import VVC
from rdbound.utils.registry import find

__all__ = [
    "BASELINES",
    "BaselineCodec",
    "CodecPoint",
    "CommandCodec",
    "PillowCodec",
    "VVC",
    "make_baseline",
    "measure_codec",
]

BASELINES: dict[str, BaselineCodec] = {
    "jpeg": JPEG,
    "jpeg-444": JPEG.without_subsampling(),
    "webp": WEBP,
    "avif": AVIF,
    "avif-444": AVIF.without_subsampling(),
    "jpeg2000": JPEG_2000,
    "jxl": JPEG_XL,
    "vvc": VVC(),
}


def make_baseline(name: str) -> BaselineCodec:
    """Return a codec by its name in :data:`BASELINES`.

    Args:
      name: name of the codec.

    Raises:
      ValueError: if there is no codec of this name.
    """
    return find("codec", BASELINES, name)
