"""Images small enough to be carried within an HTML page."""

import base64
import io
from pathlib import Path

from PIL import Image

from rdbound.images.files import read_image

__all__ = ["data_address"]

_SMALLEST = 32  # pixels of the shorter side, below which an image is not reduced further


def data_address(path: Path, most_bytes: int) -> str:
    """Return an image file as a ``data:`` address, WebP, reduced until it is small enough.

    Args:
      path: image file.
      most_bytes: bytes of the WebP at most, unless that needs a side under 32 pixels.

    Raises:
      ValueError: see :func:`rdbound.images.files.read_image`.
    """
    image = Image.fromarray(read_image(path))
    data = _webp(image)
    while len(data) > most_bytes and min(image.size) >= _SMALLEST:
        width, height = (max(1, round(0.8 * side)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        data = _webp(image)
    return "data:image/webp;base64," + base64.b64encode(data).decode()


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()
