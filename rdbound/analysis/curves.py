"""RD curves out of tables and reference data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rdbound import reference
from rdbound.analysis.images import bare_names, check_images
from rdbound.methods import METHODS
from rdbound.tables.plain import read_plain
from rdbound.tables.rd import Row, read_table
from rdbound.tables.rows import read_header

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

    A curve known only as a mean has one image, of the empty name, and ``count`` is
    the number of images averaged (None where nobody says).
    """

    dataset: str
    name: str
    images: dict[str, Points]
    count: int | None = None

    @property
    def per_image(self) -> bool:
        """Whether single images are known."""
        return "" not in self.images

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
    """Curves by (data set, model, method), points ordered by rate; floors are none.

    Raises ValueError as :func:`rdbound.analysis.images.check_images` of any curve.
    """
    names = bare_names(row.image for row in rows)
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.method not in METHODS or METHODS[row.method].kind != "floor":
            groups.setdefault((row.dataset, row.model, row.method), []).append(row)
    return {key: _curve(key, group, names) for key, group in groups.items()}


def _curve(key: tuple[str, str, str], rows: Sequence[Row], names: Mapping[str, str]) -> ImageCurves:
    name = f"{key[1]} {key[2]}"
    check_images(name, ((row.lmbda, row.image) for row in rows))
    images: dict[str, list[_Triple]] = {}
    for row in rows:
        images.setdefault(names[row.image], []).append((row.bpp, row.psnr, row.mse))
    return ImageCurves(key[0], name, {image: _points(p) for image, p in images.items()})


def from_reference(curve: reference.Curve) -> ImageCurves:
    """A published curve; MSE is filled from PSNR where only that is published."""
    images: dict[str, list[_Triple]] = {}
    for p in curve.points:
        if p.psnr is None:
            continue
        mse = p.mse if p.mse is not None else _mse(p.psnr)
        images.setdefault(p.image or "", []).append((p.bpp, p.psnr, mse))
    named = {image: _points(points) for image, points in images.items()}
    count = None if curve.per_image else curve.points[0].count
    return ImageCurves(curve.dataset, curve.label, named, count)


def mean_curve(curves: ImageCurves) -> Points:
    """Means over images of bpp, of PSNR and of MSE, point by point.

    Raises ValueError where the images have different numbers of points.
    """
    (first, of_first), *others = ((i, len(p.bpp)) for i, p in curves.images.items())
    for image, count in others:
        if count != of_first:
            raise ValueError(
                f"{curves.name}: {image} has {count} points and {first} {of_first}; a mean over "
                "images needs the same of each"
            )
    stack = [(p.bpp, p.psnr, p.mse) for p in curves.images.values()]
    bpp, psnr, mse = np.mean(np.array(stack), axis=0)
    return Points(bpp, psnr, mse)


def read_curves(path: Path, dataset: str, count: int | None = None) -> list[ImageCurves]:
    """Curves of a file: every method of an RD table on ``dataset``, or one plain curve.

    Args:
      path: an RD table, or what :func:`rdbound.tables.plain.read_plain` reads.
      dataset: what the curves are on.
      count: the number of images that a plain curve of means is over, where the file
        does not say.

    Raises ValueError as the two readers and :func:`from_rows`, for an RD table
    without the data set, and for a ``count`` of what is no mean, or of another one.
    """
    if {"method", "lmbda"} <= set(read_header(path)):
        rows = [r for r in read_table(path) if r.dataset == dataset]
        if not rows:
            raise ValueError(f"{path}: holds no row of the data set {dataset!r}")
        try:
            found = list(from_rows(rows).values())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    else:
        found = [_plain(path, dataset)]
    return found if count is None else [_counted(path, curve, count) for curve in found]


def _plain(path: Path, dataset: str) -> ImageCurves:
    plain = read_plain(path, dataset)
    names = bare_names(plain.points)
    images = {
        names[image]: _points((bpp, psnr, _mse(psnr)) for bpp, psnr in points)
        for image, points in plain.points.items()
    }
    return ImageCurves(dataset, path.stem, images, plain.count)


def _counted(path: Path, curve: ImageCurves, count: int) -> ImageCurves:
    if curve.averaged not in (None, count):
        what = "single images" if curve.per_image else "images as their mean"
        raise ValueError(f"{path}: holds {curve.averaged} {what}, not a mean of {count}")
    return replace(curve, count=count)
