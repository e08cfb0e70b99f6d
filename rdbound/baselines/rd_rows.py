"""Rows of an RD table from points of baseline codecs.

A row needs a λ, which such a codec does not have. Its setting trades rate for distortion like
one: λ is the slope −dR/dD of the codec's own curve at the setting, of the means over images.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from rdbound.baselines.points import CodecPoint
from rdbound.ops.image_quality import psnr
from rdbound.tables.rd import RDTable, Row

__all__ = ["codec_rows", "curve_slopes"]

METHOD = "external-coded"
_STEEPEST = 20.0  # −d ln R / d ln D where a setting hardly changes the distortion


def curve_slopes(bpp: Sequence[float], mse: Sequence[float]) -> np.ndarray:
    """Return λ = −dR/dD at each point of a curve, [n], in bits per pixel and unit of MSE.

    Slopes are second-order differences of ln D against ln R, in which such curves are nearly
    straight; with one point, the slope of D ∝ 1/R.

    Args:
      bpp: rates, rising, [n].
      mse: mean squared errors, [n].
    """
    R, D = np.asarray(bpp, np.float64), np.maximum(np.asarray(mse, np.float64), 1e-6)
    if len(R) == 1:
        return R / D
    exponent = np.gradient(np.log(D), np.log(R), edge_order=2 if len(R) > 2 else 1)
    return R / (D * np.maximum(-exponent, 1 / _STEEPEST))


def codec_rows(points: Sequence[CodecPoint], dataset: str) -> RDTable:
    """Return the rows of points.

    Of the settings of a codec with the same mean rate, only that of least distortion is kept.

    Args:
      points: points of codecs; all settings of a codec have the same images.
      dataset: name of the data set.
    """
    table = RDTable()
    for codec in dict.fromkeys(point.codec for point in points):
        by_setting: dict[float, list[CodecPoint]] = {}
        for point in points:
            if point.codec == codec:
                by_setting.setdefault(point.setting, []).append(point)
        curve = _rising(by_setting.values())
        lmbdas = curve_slopes([_mean_bpp(g) for g in curve], [_mean_mse(g) for g in curve])
        for lmbda, group in zip(lmbdas, curve, strict=True):
            table.extend(_row(point, dataset, float(lmbda)) for point in group)
    return table


def _mean_bpp(group: Sequence[CodecPoint]) -> float:
    return float(np.mean([p.bpp for p in group]))


def _mean_mse(group: Sequence[CodecPoint]) -> float:
    return float(np.mean([p.mse for p in group]))


def _rising(groups: Iterable[Sequence[CodecPoint]]) -> list[Sequence[CodecPoint]]:
    """Return the groups by mean rate, of those of one rate the first by mean distortion."""
    by_rate: dict[float, Sequence[CodecPoint]] = {}
    for group in sorted(groups, key=_mean_mse):
        by_rate.setdefault(_mean_bpp(group), group)
    return [by_rate[rate] for rate in sorted(by_rate)]


def _row(point: CodecPoint, dataset: str, lmbda: float) -> Row:
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
        J=point.bpp + lmbda * point.mse,
        J_se=None,
        steps=0,
        samples=1,
        seed=0,
    )
