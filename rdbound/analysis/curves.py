"""RD curves out of tables and reference data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rdbound import reference
from rdbound.analysis.image_sets import bare_names, check_images
from rdbound.methods import kind_of
from rdbound.tables.csv_records import read_header
from rdbound.tables.curves import read_plain
from rdbound.tables.rd import Row, read_table

__all__ = [
    "QUALITIES",
    "QUALITY_CITATIONS",
    "ImageCurves",
    "Points",
    "anchor_on",
    "called",
    "from_reference",
    "from_rows",
    "is_on",
    "mean_curve",
    "named_anchor",
    "named_curves",
    "read_curves",
]


@dataclass(frozen=True)
class Points:
    """Points of one curve: ``bpp``, ``psnr`` (dB) and ``mse`` (0–255), each [n].

    Where a curve is by MS-SSIM, ``psnr`` holds −10·log₁₀(1 − MS-SSIM), in dB too.
    """

    bpp: np.ndarray
    psnr: np.ndarray
    mse: np.ndarray


@dataclass(frozen=True)
class ImageCurves:
    """The curve of one method on a data set: one :class:`Points` an image.

    A curve known only as a mean has one image, of the empty name, and ``count`` is
    the number of images averaged (None if unknown).
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
        """The number of images that a mean of this curve is over."""
        return len(self.images) if self.per_image else self.count


QUALITIES = {"psnr": "PSNR", "ms-ssim": "MS-SSIM"}
"""What quality is measured by, as options and as words."""
QUALITY_CITATIONS = {"psnr": (), "ms-ssim": ("wang2003msssim",)}
"""BibTeX keys of the measures of quality."""

_Triple = tuple[float, float, float]  # bits per pixel, quality in dB, MSE


def _quality(metric: str, psnr: float | None, ms_ssim: float | None) -> float | None:
    """Return the quality in dB, None if it is unknown."""
    if metric == "psnr":
        return psnr
    return None if ms_ssim is None else float(-10.0 * np.log10(max(1.0 - ms_ssim, 1e-12)))


def _mse(psnr: float) -> float:
    """Return the MSE on 0–255 of a PSNR in dB."""
    return 255.0**2 * 10 ** (-psnr / 10)


def _points(triples: Iterable[_Triple]) -> Points:
    array = np.array(sorted(set(triples)), dtype=np.float64).reshape(-1, 3)
    return Points(array[:, 0], array[:, 1], array[:, 2])


def from_rows(rows: Sequence[Row], metric: str = "psnr") -> dict[tuple[str, str, str], ImageCurves]:
    """Return curves by (data set, model, method), points ordered by rate, without floors.

    Args:
      rows: rows of RD tables.
      metric: measure of quality, of :data:`QUALITIES`.

    Raises:
      ValueError: a row lacks the metric, or the images of a curve differ between λ.
    """
    names = bare_names(row.image for row in rows)
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if kind_of(row.method) != "floor":
            groups.setdefault((row.dataset, row.model, row.method), []).append(row)
    return {key: _curve(key, group, names, metric) for key, group in groups.items()}


def _curve(
    key: tuple[str, str, str], rows: Sequence[Row], names: Mapping[str, str], metric: str
) -> ImageCurves:
    name = f"{key[1]} {key[2]}"
    check_images(name, ((row.lmbda, row.image) for row in rows))
    images: dict[str, list[_Triple]] = {}
    for row in rows:
        quality = _quality(metric, row.psnr, row.ms_ssim)
        if quality is None:
            raise ValueError(f"{name}: {row.image} at λ = {row.lmbda:g} has no {QUALITIES[metric]}")
        images.setdefault(names[row.image], []).append((row.bpp, quality, row.mse))
    return ImageCurves(key[0], name, {image: _points(p) for image, p in images.items()})


def from_reference(curve: reference.Curve, metric: str = "psnr") -> ImageCurves:
    """Return a published curve; a missing MSE is computed from the PSNR.

    Raises:
      ValueError: nothing of the ``metric`` is published.
    """
    images: dict[str, list[_Triple]] = {}
    for p in curve.points:
        quality = _quality(metric, p.psnr, p.ms_ssim)
        if quality is None:
            continue
        mse = p.mse if p.mse is not None else _mse(p.psnr) if p.psnr is not None else np.nan
        images.setdefault(p.image or "", []).append((p.bpp, quality, mse))
    if not images:
        raise ValueError(f"{curve.label}: no {QUALITIES[metric]} is published on {curve.dataset}")
    named = {image: _points(points) for image, points in images.items()}
    count = None if curve.per_image else curve.points[0].count
    return ImageCurves(curve.dataset, curve.label, named, count)


def mean_curve(curves: ImageCurves) -> Points:
    """Return means over images of bpp, of PSNR and of MSE, point by point.

    Raises:
      ValueError: the images have different numbers of points.
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


def called(curves: Iterable[ImageCurves], name: str) -> list[ImageCurves]:
    """Return the curves of this name, which may be the model or the method of a table alone."""
    return [curve for curve in curves if name in (curve.name, *curve.name.split())]


def named_curves(
    name: str, dataset: str, count: int | None = None, metric: str = "psnr"
) -> list[ImageCurves]:
    """Return the curves that a user names: a file, ``FILE:METHOD`` of a table, or published.

    Args:
      name: path of a file, with ``:METHOD`` for one method of a table, or a published method.
      dataset: see :func:`read_curves`.
      count: see :func:`read_curves`.
      metric: see :func:`read_curves`.

    Raises:
      ValueError: the table lacks the method; or as :func:`read_curves` and
        :func:`rdbound.reference.find_curve`.
    """
    file, _, method = name.partition(".csv:")
    if not name.endswith(".csv") and not method:
        return [from_reference(reference.find_curve(dataset, name), metric)]
    found = read_curves(Path(f"{file}.csv" if method else name), dataset, count, metric)
    chosen = called(found, method) if method else found
    if not chosen:
        known = ", ".join(sorted(curve.name for curve in found))
        raise ValueError(f"{file}.csv: holds no method {method!r}: choose one of {known}")
    return chosen


def named_anchor(name: str, dataset: str, metric: str = "psnr") -> ImageCurves:
    """Return the one curve of :func:`named_curves`; raise ValueError if there are several."""
    anchors = named_curves(name, dataset, metric=metric)
    if len(anchors) > 1:
        known = ", ".join(curve.name for curve in anchors)
        raise ValueError(f"{name}: one curve is the anchor: add :METHOD, of {known}")
    return anchors[0]


def is_on(name: str, dataset: str) -> bool:
    """Return whether an anchor is a file, or a curve published on the data set.

    Raises:
      ValueError: nothing is published under this name.
    """
    published = {dataset for dataset, method, _ in reference.curves() if method == name}
    if not published and ".csv" not in name:
        known = ", ".join(sorted({method for _, method, _ in reference.curves()}))
        raise ValueError(f"no reference {name!r}: choose a CSV, TABLE.csv:METHOD or one of {known}")
    return ".csv" in name or dataset in published


def anchor_on(name: str, dataset: str) -> ImageCurves | None:
    """Return the anchor of :func:`named_anchor`, None if it is published on other data sets only.

    Raises:
      ValueError: see :func:`named_anchor` and :func:`is_on`.
    """
    return named_anchor(name, dataset) if is_on(name, dataset) else None


def read_curves(
    path: Path, dataset: str, count: int | None = None, metric: str = "psnr"
) -> list[ImageCurves]:
    """Return the curves of a file: every method of an RD table, or one plain curve.

    Args:
      path: an RD table, or a file that :func:`rdbound.tables.curves.read_plain` reads.
      dataset: name of the data set.
      count: number of images that a plain curve of means is over, if the file lacks it.
      metric: measure of quality, of :data:`QUALITIES`.

    Raises:
      ValueError: the RD table lacks the data set, ``count`` contradicts the file; or as the two
        readers and :func:`from_rows`.
    """
    if {"method", "lmbda"} <= set(read_header(path)):
        rows = [r for r in read_table(path) if r.dataset == dataset]
        if not rows:
            raise ValueError(f"{path}: holds no row of the data set {dataset!r}")
        try:
            found = list(from_rows(rows, metric).values())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    else:
        found = [_plain(path, dataset, metric)]
    return found if count is None else [_counted(path, curve, count) for curve in found]


def _plain(path: Path, dataset: str, metric: str) -> ImageCurves:
    plain = read_plain(path, dataset, metric)
    names = bare_names(plain.points)
    images = {
        names[image]: _points(_triple(metric, bpp, value) for bpp, value in points)
        for image, points in plain.points.items()
    }
    return ImageCurves(dataset, path.stem, images, plain.count)


def _triple(metric: str, bpp: float, value: float) -> _Triple:
    quality = _quality(metric, value, value)
    assert quality is not None
    return bpp, quality, _mse(value) if metric == "psnr" else np.nan


def _counted(path: Path, curve: ImageCurves, count: int) -> ImageCurves:
    if curve.averaged not in (None, count):
        what = "single images" if curve.per_image else "images as their mean"
        raise ValueError(f"{path}: holds {curve.averaged} {what}, not a mean of {count}")
    return replace(curve, count=count)
