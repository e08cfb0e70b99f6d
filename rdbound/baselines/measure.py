"""Measure one image at one setting of a baseline codec, by whole files written and read."""

import hashlib

import numpy as np

from rdbound.baselines.base import BaselineCodec
from rdbound.baselines.points import CodecPoint
from rdbound.ops.image_quality import MS_SSIM_SMALLEST, ms_ssim

__all__ = ["measure_codec", "pixel_digest"]


def pixel_digest(image: np.ndarray) -> str:
    """Return the SHA-256 of an image's shape and pixels, hexadecimal."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def measure_codec(
    codec: BaselineCodec,
    name: str,
    image: np.ndarray,
    setting: float,
    version: str | None = None,
) -> CodecPoint:
    """Encode and decode an image, and return the rate and distortion.

    Args:
      codec: the codec.
      name: name of the image.
      image: uint8 [H, W, 3].
      setting: setting of the encoder.
      version: version of the codec, if it is known: finding it may mean reading a program.

    Raises:
      ValueError: if the codec fails or returns an image of another size; the message names the
        image and the setting.
    """
    try:
        data = codec.encode(image, setting)
        decoded = codec.decode(data, (image.shape[0], image.shape[1]))
    except (ValueError, OSError) as error:
        raise ValueError(f"{name} at {setting:g}: {error}") from None
    if decoded.shape != image.shape:
        raise ValueError(
            f"{name}: {codec.name} gave {list(decoded.shape)} back, not {list(image.shape)}"
        )
    similarity = None
    if min(image.shape[:2]) >= MS_SSIM_SMALLEST:
        similarity = ms_ssim(image / 255.0, decoded / 255.0)
    return CodecPoint(
        codec=codec.name,
        version=version or codec.version(),
        image=name,
        digest=pixel_digest(image),
        setting=float(setting),
        pixels=image.shape[0] * image.shape[1],
        bytes=len(data),
        mse=float(np.mean((decoded.astype(np.float64) - image) ** 2)),
        ms_ssim=similarity,
    )
