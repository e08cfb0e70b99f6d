"""RD curves out of tables and reference data."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdbound import reference
from rdbound.methods import METHODS
from rdbound.tables.rd import COLUMNS, Row, read_table

__all__ = [
    "ImageCurves",
    "Points",
    "from_reference",
    "from_rows",
    "mean_curve",
    "read_curves",
]


@dataclass(frozen=True)
class Points:
    """Points of one curve: ``bpp``, ``psnr`` (dB) and ``mse`` (0–255), each [n]."""

    bpp: np.ndarray
    psnr: np.ndarray
    mse: np.ndarray


@dataclass(frozen=True)
class ImageCurves:
    """The curve of one method on a data set: one :class:`Points` an image.

    A curve known only as a mean has the single image ``mean``, and ``count`` is
    the number of images averaged (None where nobody says).
    """

    dataset: str
    name: str
    images: dict[str, Points]
    count: int | None = None

    @property
    def per_image(self) -> bool:
        """Whether single images are known."""
        return set(self.images) != {"mean"}

    @property
    def averaged(self) -> int | None:
        """How many images a mean of this curve is over."""
        return len(self.images) if self.per_image else self.count


_Triple = tuple[float, float, float]  # bits per pixel, PSNR, MSE


def _mse(psnr: float) -> float:
    """On 0–255, of a PSNR in dB."""
    return 255.0**2 * 10 ** (-psnr / 10)


def _points(triples: Iterable[_Triple]) -> Points:
    array = np.array(sorted(set(triples)), dtype=np.float64).reshape(-1, 3)
    return Points(array[:, 0], array[:, 1], array[:, 2])


def from_rows(rows: Sequence[Row]) -> dict[tuple[str, str, str], ImageCurves]:
    """Curves by (data set, model, method), points ordered by rate; floors are none."""
    groups: dict[tuple[str, str, str], dict[str, list[_Triple]]] = {}
    for row in rows:
        if row.method in METHODS and METHODS[row.method].kind == "floor":
            continue
        images = groups.setdefault((row.dataset, row.model, row.method), {})
        images.setdefault(row.image, []).append((row.bpp, row.psnr, row.mse))
    return {
        key: ImageCurves(key[0], f"{key[1]} {key[2]}", {i: _points(p) for i, p in images.items()})
        for key, images in groups.items()
    }


def from_reference(curve: reference.Curve) -> ImageCurves:
    """A published curve; MSE is filled from PSNR where only that is published."""
    images: dict[str, list[_Triple]] = {}
    for p in curve.points:
        if p.psnr is None:
            continue
        mse = p.mse if p.mse is not None else _mse(p.psnr)
        images.setdefault(p.image or "mean", []).append((p.bpp, p.psnr, mse))
    named = {image: _points(points) for image, points in images.items()}
    count = None if curve.per_image else curve.points[0].count
    return ImageCurves(curve.dataset, curve.label, named, count)


def mean_curve(curves: ImageCurves) -> Points:
    """Means over images of bpp, of PSNR and of MSE, point by point.

    Raises ValueError where the images have different numbers of points.
    """
    counts = {len(p.bpp) for p in curves.images.values()}
    if len(counts) != 1:
        raise ValueError(
            f"{curves.name}: images have {sorted(counts)} points; a mean needs the same of each"
        )
    stack = [(p.bpp, p.psnr, p.mse) for p in curves.images.values()]
    bpp, psnr, mse = np.mean(np.array(stack), axis=0)
    return Points(bpp, psnr, mse)


def read_curves(path: Path, dataset: str) -> list[ImageCurves]:
    """Curves of a file: every method of an RD table on ``dataset``, or one plain curve.

    A plain curve is a CSV with the columns ``bpp`` and ``psnr`` (or
    ``psnr_rgb``), and ``image`` where points are per image. Raises ValueError
    naming the file, the line and what is wrong.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    with path.open(newline="") as file:
        columns = csv.DictReader(file).fieldnames or []
    if not set(COLUMNS) <= set(columns):
        return [_plain(path, dataset)]
    rows = [r for r in read_table(path) if r.dataset == dataset]
    if not rows:
        raise ValueError(f"{path}: holds no row of the data set {dataset!r}")
    return list(from_rows(rows).values())


def _plain(path: Path, dataset: str) -> ImageCurves:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        quality = next((c for c in ("psnr", "psnr_rgb") if c in columns), None)
        if quality is None or "bpp" not in columns:
            raise ValueError(f"{path}: expected the columns bpp and psnr, found {columns}")
        images: dict[str, list[_Triple]] = {}
        for record in reader:
            try:
                bpp, psnr = float(record["bpp"]), float(record[quality])
            except (TypeError, ValueError):
                raise ValueError(f"{path}, line {reader.line_num}: not a number") from None
            images.setdefault(record.get("image") or "mean", []).append((bpp, psnr, _mse(psnr)))
    if not images:
        raise ValueError(f"{path}: holds no points")
    return ImageCurves(dataset, path.stem, {i: _points(p) for i, p in images.items()})
