"""Points (R, D) of baseline codecs, and their file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import FiniteFloat

from rdbound.tables.csv_records import (
    Count,
    Maybe,
    NonNegative,
    Text,
    read_records,
    write_records,
)

__all__ = ["CodecPoint", "read_codec_points", "write_codec_points"]


@dataclass(frozen=True, slots=True)
class CodecPoint:
    """One image coded at one setting.

    Attributes:
      codec: name of the codec.
      version: version of its encoder.
      image: name of the image.
      digest: SHA-256 of the image's pixels.
      setting: setting of the encoder.
      pixels: pixels of the image.
      bytes: size of the file.
      mse: mean squared error on the 0–255 scale.
      ms_ssim: MS-SSIM of RGB; None for images too small for it.
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
        """Return the rate in bits per pixel."""
        return 8 * self.bytes / self.pixels


def write_codec_points(path: Path, points: Iterable[CodecPoint]) -> None:
    """Write points as CSV; an existing file is replaced whole."""
    write_records(path, CodecPoint, points)


def read_codec_points(path: Path) -> list[CodecPoint]:
    """Read the points of a file.

    Args:
      path: CSV file of :func:`write_codec_points`.

    Raises:
      ValueError: if a cell is invalid; the message names the file, the line and the column.
    """
    return [point for _, point in read_records(path, CodecPoint, "points of codecs")]
