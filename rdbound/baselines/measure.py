"""One image through a codec from outside, whole files written and read."""

import hashlib
from dataclasses import dataclass

import numpy as np
from pydantic import FiniteFloat

from rdbound.baselines.base import ExternalCodec
from rdbound.ops.image_quality import MS_SSIM_SMALLEST, ms_ssim
from rdbound.tables.csv_records import Count, Maybe, NonNegative, Text

__all__ = ["Measured", "digest_of", "measure_codec"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One point.

    Attributes:
      codec, version: who coded it.
      image, digest: which, and SHA-256 of its pixels.
      setting: of the encoder.
      pixels, bytes: of the image and of the file.
      mse: on 0–255.
      ms_ssim: of RGB; None of images too small for it.
    """

    codec: Text
    version: Text
    image: Text
    digest: Text
    setting: FiniteFloat
    pixels: Count
    bytes: Count
    mse: NonNegative
    ms_ssim: Maybe[FiniteFloat]

    @property
    def bpp(self) -> float:
        """Bits per pixel."""
        return 8 * self.bytes / self.pixels


def digest_of(image: np.ndarray) -> str:
    """SHA-256 of the shape and the pixels, hexadecimal."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def measure_codec(
    codec: ExternalCodec,
    name: str,
    image: np.ndarray,
    setting: float,
    version: str | None = None,
) -> Measured:
    """Code and decode an image, uint8 [H, W, 3], called ``name``.

    Args:
      codec: that does both.
      name: of the image.
      image: uint8 [H, W, 3].
      setting: of the codec.
      version: of the codec where it is known; to ask for it may mean reading a whole program.

    Raises ValueError, naming both, where the codec fails or gives a picture of another size.
    """
    try:
        data = codec.encode(image, setting)
        back = codec.decode(data, (image.shape[0], image.shape[1]))
    except (ValueError, OSError) as error:
        raise ValueError(f"{name} at {setting:g}: {error}") from None
    if back.shape != image.shape:
        raise ValueError(
            f"{name}: {codec.name} gave {list(back.shape)} back, not {list(image.shape)}"
        )
    off = back.astype(np.float64) - image
    similar = None
    if min(image.shape[:2]) >= MS_SSIM_SMALLEST:
        similar = ms_ssim(image / 255.0, back / 255.0)
    return Measured(
        codec.name,
        version or codec.version(),
        name,
        digest_of(image),
        float(setting),
        image.shape[0] * image.shape[1],
        len(data),
        float(np.mean(off**2)),
        similar,
    )
