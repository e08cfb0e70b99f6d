"""Read plain curves: a CSV with the columns ``bpp`` and ``psnr`` (or ``psnr_rgb``), a point a line.

By MS-SSIM the second column is ``ms_ssim`` (or ``ms_ssim_rgb``), a number up to 1.

With a column ``image`` the points are those of single images. Without, they are means, and a
column ``images`` holds the number of images averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat

from rdbound.tables.csv_records import (
    Count,
    Maybe,
    Positive,
    cell_error,
    read_header,
    read_records,
)
from rdbound.tables.rd import MEAN

__all__ = ["PlainCurve", "read_plain"]


@dataclass(frozen=True, kw_only=True)
class _Point:
    bpp: Positive
    image: str = ""
    images: Maybe[Count] = None
    dataset: str | None = None
    model: str | None = None
    method: str | None = None

    @property
    def of(self) -> str:
        """The image, empty for a mean."""
        return "" if self.image == MEAN else self.image


@dataclass(frozen=True, kw_only=True)
class _ByPSNR(_Point):
    psnr: FiniteFloat


@dataclass(frozen=True, kw_only=True)
class _ByMSSSIM(_Point):
    ms_ssim: Annotated[FiniteFloat, Field(le=1)]


_KINDS: dict[str, tuple[str, type[_Point]]] = {
    "psnr": ("psnr", _ByPSNR),
    "ms-ssim": ("ms_ssim", _ByMSSSIM),
}


@dataclass(frozen=True)
class PlainCurve:
    """A curve as it was read.

    Attributes:
      points: (bits per pixel, PSNR in dB or MS-SSIM) by image; those of a mean by the empty name.
      count: number of images of a mean; None if unknown.
    """

    points: dict[str, list[tuple[float, float]]]
    count: int | None


def read_plain(path: Path, dataset: str, metric: str = "psnr") -> PlainCurve:
    """Read and check a plain curve on ``dataset`` by ``psnr`` or ``ms-ssim``.

    Raises:
      ValueError: naming the file, the line and the column of anything but a positive rate, a
        finite PSNR, an MS-SSIM up to 1 and a whole number of images, of a mean among single
        images, and of a second data set, model or method.
    """
    column, kind = _KINDS[metric]
    former = {} if column in read_header(path) else {f"{column}_rgb": column}
    found = list(read_records(path, kind, "a curve", former))
    if not found:
        raise ValueError(f"{path}: holds no points")
    _check_one(path, found, dataset)
    points: dict[str, list[tuple[float, float]]] = {}
    for _, point in found:
        points.setdefault(point.of, []).append((point.bpp, getattr(point, column)))
    return PlainCurve(points, found[0][1].images if "" in points else None)


def _check_one(path: Path, found: Sequence[tuple[int, _Point]], dataset: str) -> None:
    """Raise ValueError unless all points are of one curve on ``dataset``."""
    first = found[0][1]
    for line, point in found:
        if point.dataset not in (None, dataset):
            raise cell_error(path, line, "dataset", point.dataset, f"expected {dataset!r}")
        for name in ("dataset", "model", "method", "images"):
            value, before = getattr(point, name), getattr(first, name)
            if value != before:
                raise cell_error(
                    path, line, name, value, f"follows {before!r}, and a plain curve has one"
                )
        if bool(point.of) != bool(first.of):
            wrong = "stands among means" if point.of else "a mean among single images"
            raise cell_error(path, line, "image", point.image, wrong)
