"""Image files, read and refused: what is measured is the picture that a viewer shows.

- Refused, because they are no single 8-bit RGB image: more than 8 bits a channel,
  transparent pixels, several frames or pages. (Of the pictures in a camera's MPO file the
  first is the photograph.) Other formats than these four are not opened at all.
- Honoured: an EXIF orientation turns the picture; a colour profile that means other colours
  than sRGB, whatever it calls itself, is converted to sRGB. A file without a profile is taken
  for sRGB; an sRGB one's pixels are as they are.
"""

import io
from itertools import product
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

__all__ = ["SUFFIXES", "read_image", "to_rgb"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
_BITS_PER_SAMPLE = 258  # a tag of TIFF
_EIGHT_BIT = {"RGB", "L", "P", "RGBA", "LA", "PA", "1"}


def read_image(
    path: str | Path | BinaryIO, max_pixels: int | None = None, name: str | None = None
) -> np.ndarray:
    """Read an image file as uint8 [H, W, 3].

    Greyscale becomes RGB and an opaque alpha channel is dropped; orientation and colour
    profile are honoured.

    Args:
      path: of the file, or an open one.
      max_pixels: one that declares more is refused before it is decoded; Pillow's own limit
        holds too.
      name: what messages call it; its path by default.

    Raises ValueError, naming the file, when it is missing, corrupt, not an image, too
    large, has more than 8 bits a channel, several frames, a colour profile that cannot
    be read, or is partly transparent.
    """
    name = str(path) if name is None else name
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise ValueError(
                    f"{name}: {image.width}×{image.height} is more than the limit of "
                    f"{max_pixels:,} pixels; if that is meant, raise it with --max-pixels"
                )
            _check_kind(image, name)
            image.load()
            return to_rgb(_as_shown(image, name), name)
    except FileNotFoundError:
        raise ValueError(f"{name}: no such file") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{name}: not a PNG, JPEG, WebP or TIFF image, whatever its name says"
        ) from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name}: cannot be decoded ({error}); is the file whole?") from None


def _check_kind(image: Image.Image, name: str) -> None:
    """Refuse what Pillow would cut to 8 bits, or to the first of several pictures."""
    # Pillow gives 16-bit RGB as 8-bit RGB; only how it means to read it tells, of a TIFF its tag.
    sixteen = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    bits = 16 if sixteen else max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,)))
    if bits > 8:
        raise ValueError(f"{name}: has {bits} bits a channel; convert it to 8 bits first")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ValueError(f"{name}: has {frames} frames or pages; save the one that is meant")


def _as_shown(image: Image.Image, name: str) -> Image.Image:
    """The image the right way up, in sRGB."""
    image = ImageOps.exif_transpose(image)
    data = image.info.get("icc_profile")
    if not data:
        return image
    _check_opaque(image, name)  # the conversion would forget what is transparent
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(data))
        plain = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
        return plain if _means_srgb(profile, plain.mode) else _in_srgb(plain, profile)
    except (ImageCms.PyCMSError, ValueError) as error:
        raise ValueError(
            f"{name}: its colour profile cannot be converted to sRGB ({error}); convert the image, "
            "or remove the profile"
        ) from None


def _in_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    shown = ImageCms.profileToProfile(
        image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert shown is not None
    return shown


def _means_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether no grey and no corner or middle of the colours moves by more than one level."""
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    corners = np.array(list(product((0, 64, 128, 192, 255), repeat=3)), np.uint8)
    probe = greys if mode == "L" else np.concatenate([greys, corners])
    shown = np.asarray(_in_srgb(Image.fromarray(probe[None]).convert(mode), profile))[0]
    return bool(np.abs(shown.astype(int) - probe).max() <= 1)


def to_rgb(image: Image.Image, name: str) -> np.ndarray:
    """A decoded PIL image as uint8 [H, W, 3]; ``name`` is for the error messages.

    Raises ValueError for more than 8 bits a channel, a mode that is neither RGB nor
    greyscale nor a palette of these, or a pixel that is not opaque.
    """
    if image.mode not in _EIGHT_BIT:
        raise ValueError(
            f"{name}: mode {image.mode} is not 8-bit RGB or greyscale; convert it to 8 bits first"
        )
    _check_opaque(image, name)
    return np.asarray(image.convert("RGB"))


def _check_opaque(image: Image.Image, name: str) -> None:
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return
    if (np.asarray(image.convert("RGBA"))[..., 3] != 255).any():
        raise ValueError(
            f"{name}: has transparent pixels, which have no defined colour; flatten it first"
        )
