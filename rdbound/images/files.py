"""Image files, read and refused.

What is refused would be measured wrongly: 16-bit pixels and transparency have no single
8-bit RGB image that they are.
"""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

__all__ = ["SUFFIXES", "read_image", "to_rgb"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")

_EIGHT_BIT = {"RGB", "L", "P", "RGBA", "LA", "PA", "1"}


def read_image(path: str | Path, max_pixels: int | None = None) -> np.ndarray:
    """Read an image file as uint8 [H, W, 3].

    Greyscale becomes RGB and an opaque alpha channel is dropped.

    Args:
      path: of the file.
      max_pixels: one that declares more is refused before it is decoded; Pillow's own limit
        holds too.

    Raises ValueError, naming the file, when it is missing, corrupt, not an image, too
    large, has more than 8 bits a channel, or is partly transparent.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise ValueError(
                    f"{path}: {image.width}×{image.height} is more than the limit of "
                    f"{max_pixels:,} pixels; if that is meant, raise it with --max-pixels"
                )
            image.load()
            return to_rgb(image, str(path))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{path}: not an image, whatever its name says; expected PNG, JPEG, WebP or TIFF"
        ) from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be decoded ({error}); is the file whole?") from None


def to_rgb(image: Image.Image, name: str) -> np.ndarray:
    """A decoded PIL image as uint8 [H, W, 3]; ``name`` is for the error messages.

    Raises ValueError for more than 8 bits a channel, a mode that is neither RGB nor
    greyscale nor a palette of these, or a pixel that is not opaque.
    """
    if image.mode not in _EIGHT_BIT:
        raise ValueError(
            f"{name}: mode {image.mode} is not 8-bit RGB or greyscale; convert it to 8 bits first"
        )
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        if (rgba[..., 3] != 255).any():
            raise ValueError(
                f"{name}: has transparent pixels, which have no defined colour; flatten it first"
            )
        return np.ascontiguousarray(rgba[..., :3])
    return np.asarray(image.convert("RGB"))
