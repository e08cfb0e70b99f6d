"""Points (R, D) of baseline codecs, and their file."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rdbound.tables.cells import CellReader, integer, number, optional, read_cells, text
from rdbound.tables.csv_records import read_rows, write_rows

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

    codec: str
    version: str
    image: str
    digest: str
    setting: float
    pixels: int
    bytes: int
    mse: float
    ms_ssim: float | None

    @property
    def bpp(self) -> float:
        """Return the rate in bits per pixel."""
        return 8 * self.bytes / self.pixels


_READERS: dict[str, CellReader] = {
    "codec": text,
    "version": text,
    "image": text,
    "digest": text,
    "setting": number(),
    "pixels": integer(least=1),
    "bytes": integer(least=1),
    "mse": number(least=0.0),
    "ms_ssim": optional(number()),
}


def write_codec_points(path: Path, points: Iterable[CodecPoint]) -> None:
    """Write points as CSV; an existing file is replaced whole."""
    write_rows(path, tuple(_READERS), map(asdict, points))


def read_codec_points(path: Path) -> list[CodecPoint]:
    """Read the points of a file.

    Args:
      path: CSV file of :func:`write_codec_points`.

    Raises:
      ValueError: if a cell is invalid; the message names the file, the line and the column.
    """
    return [
        CodecPoint(**read_cells(path, line, record, _READERS))
        for line, record in read_rows(path, tuple(_READERS), "points of codecs")
    ]
