"""Points of codecs from outside as a file, and as rows of an RD table.

A row needs a λ, and such a codec has none. Its setting trades rate for distortion all the same:
at the λ that is the slope of its own curve there, −dR/dD, of the means over images.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rdbound.baselines.measure import Measured
from rdbound.ops.image_quality import psnr
from rdbound.tables.csv_records import read_records, write_records
from rdbound.tables.rd import RDTable, Row

__all__ = ["read_measured", "rows_of", "slopes", "write_measured"]

METHOD = "external-coded"
_STEEPEST = 20.0  # −d ln R / d ln D where a setting hardly changes the distortion


def write_measured(path: Path, points: Iterable[Measured]) -> None:
    """Write points, whole or not at all."""
    write_records(path, Measured, points)


def read_measured(path: Path) -> list[Measured]:
    """The inverse of :func:`write_measured`; raises ValueError naming what is no point."""
    return [point for _, point in read_records(path, Measured, "points of codecs")]


def slopes(bpp: Sequence[float], mse: Sequence[float]) -> np.ndarray:
    """λ = −dR/dD at each point of a curve, [n], in bits per pixel and unit of MSE.

    By second-order differences of ln D against ln R, since such curves are nearly straight
    there; with one point, as of D ∝ 1/R.

    Args:
      bpp: of the points, rising.
      mse: of the points.
    """
    R, D = np.asarray(bpp, np.float64), np.maximum(np.asarray(mse, np.float64), 1e-6)
    if len(R) == 1:
        return R / D
    of = np.gradient(np.log(D), np.log(R), edge_order=2 if len(R) > 2 else 1)
    return R / (D * np.maximum(-of, 1 / _STEEPEST))


def rows_of(points: Sequence[Measured], dataset: str) -> RDTable:
    """Rows of codecs whose every setting has the same images.

    Settings of the same mean rate are one: that of the least distortion is kept.
    """
    table = RDTable()
    for codec in dict.fromkeys(point.codec for point in points):
        by_setting: dict[float, list[Measured]] = {}
        for point in points:
            if point.codec == codec:
                by_setting.setdefault(point.setting, []).append(point)
        curve = _rising(by_setting.values())
        means = [np.mean([(p.bpp, p.mse) for p in group], axis=0) for group in curve]
        lmbdas = slopes([m[0] for m in means], [m[1] for m in means])
        for lmbda, group in zip(lmbdas, curve, strict=True):
            table.extend(_row(point, dataset, float(lmbda)) for point in group)
    return table


def _rising(groups: Iterable[Sequence[Measured]]) -> list[Sequence[Measured]]:
    """By mean rate, one of each."""
    rate = lambda group: float(np.mean([p.bpp for p in group]))  # noqa: E731
    found: dict[float, Sequence[Measured]] = {}
    for group in sorted(groups, key=lambda group: float(np.mean([p.mse for p in group]))):
        found.setdefault(rate(group), group)
    return [found[r] for r in sorted(found)]


def _row(point: Measured, dataset: str, lmbda: float) -> Row:
    J = point.bpp + lmbda * point.mse
    return Row(
        dataset=dataset,
        image=point.image,
        model=point.codec,
        lmbda=lmbda,
        method=METHOD,
        pixels=point.pixels,
        bits=8.0 * point.bytes,
        bytes=point.bytes,
        bpp=point.bpp,
        mse=point.mse,
        psnr=psnr(point.mse),
        ms_ssim=point.ms_ssim,
        J=J,
        J_se=None,
        steps=0,
        samples=1,
        seed=0,
    )
