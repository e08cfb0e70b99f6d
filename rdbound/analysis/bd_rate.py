"""Bjøntegaard delta rate, with the checks that make it a number worth quoting."""

from dataclasses import dataclass

import bjontegaard
import numpy as np

from rdbound.analysis.confidence import interval
from rdbound.analysis.curves import ImageCurves, Points, mean_curve

__all__ = [
    "BD_RATE_CITATIONS",
    "INTERPOLATIONS",
    "BDRate",
    "compare",
    "compared",
    "rate_difference",
]

BD_RATE_CITATIONS = ("bjontegaard2001",)
"""BibTeX keys."""
INTERPOLATIONS = ("pchip", "akima", "cubic")
_FEWEST = {"pchip": 3, "akima": 3, "cubic": 4}


@dataclass(frozen=True)
class BDRate:
    """Average difference of rate at equal quality, in per cent of the anchor's.

    Attributes:
      value: BD-rate in per cent, mean over images.
      interval: 95 % interval over images; None for curves of means, or too few images.
      images: BD-rate of each image, empty for curves of means.
      averaged: for curves of means, over how many images the anchor's and the test's mean is
        taken (None if unknown); None for curves of single images.
    """

    value: float
    interval: tuple[float, float] | None
    images: dict[str, float]
    averaged: tuple[int | None, int | None] | None = None

    def __str__(self) -> str:
        value = f"{self.value:+.2f} %"
        if self.averaged is not None:
            anchor, test = map(_counted, self.averaged)
            return f"{value} (of means: {test} against {anchor})"
        basis = f"per image, {_counted(len(self.images))}"
        if self.interval is None:
            return f"{value} ({basis})"
        low, high = self.interval
        return f"{value} [{low:+.2f}, {high:+.2f}] ({basis})"


def _counted(images: int | None) -> str:
    if images is None:
        return "an unknown number of images"
    return f"{images} image{'' if images == 1 else 's'}"


def rate_difference(
    anchor: Points, test: Points, method: str = "pchip", name: str = "curve"
) -> float:
    """Return the BD-rate of ``test`` against ``anchor`` in per cent (Bjøntegaard 2001, VCEG-M33).

    The integral runs over the common range of PSNR, or of MS-SSIM in dB.

    Args:
      anchor: the curve whose rate is 100 %.
      test: the curve that is compared with it.
      method: interpolation, of :data:`INTERPOLATIONS`.
      name: name of ``test`` in messages.

    Raises:
      ValueError: the interpolation is unknown, a curve is not monotone or too short, or the
        common range is less than half of the narrower curve's.
    """
    if method not in INTERPOLATIONS:
        raise ValueError(f"unknown interpolation {method!r}: choose {', '.join(INTERPOLATIONS)}")
    for label, points in (("anchor", anchor), (name, test)):
        _check_curve(label, points, _FEWEST[method])
    _check_overlap(name, anchor.psnr, test.psnr)
    return float(
        bjontegaard.bd_rate(
            anchor.bpp,
            anchor.psnr,
            test.bpp,
            test.psnr,
            method=method,
            require_matching_points=False,
            min_overlap=0,
        )
    )


def _check_curve(label: str, points: Points, fewest: int) -> None:
    if len(points.bpp) < fewest:
        raise ValueError(f"{label}: {len(points.bpp)} points; BD-rate needs at least {fewest}")
    if points.bpp[0] <= 0:
        raise ValueError(
            f"{label}: a rate of {points.bpp[0]:g} bits at {points.psnr[0]:.2f} dB is in no "
            "ratio to another; BD-rate needs rates above 0"
        )
    rising = (np.diff(points.bpp) > 0).all() and (np.diff(points.psnr) > 0).all()
    if not rising or not np.isfinite([points.bpp, points.psnr]).all():
        pairs = ", ".join(
            f"({b:.4f}, {p:.2f})" for b, p in zip(points.bpp, points.psnr, strict=True)
        )
        raise ValueError(f"{label}: quality does not rise with the rate: (bpp, dB) = {pairs}")


def _check_overlap(name: str, anchor: np.ndarray, test: np.ndarray) -> None:
    common = min(anchor.max(), test.max()) - max(anchor.min(), test.min())
    if common < 0.5 * min(np.ptp(anchor), np.ptp(test)):
        raise ValueError(
            f"{name}: {test.min():.2f}–{test.max():.2f} dB and the anchor's "
            f"{anchor.min():.2f}–{anchor.max():.2f} dB overlap by less than half of the "
            "narrower; BD-rate would be an extrapolation"
        )


def compare(
    anchor: ImageCurves, test: ImageCurves, method: str = "pchip", unequal: bool = False
) -> BDRate:
    """Return the BD-rate per image, then averaged; of means if a curve is known only so.

    Args:
      anchor: the curve whose rate is 100 %.
      test: the curve that is compared with it.
      method: interpolation, of :data:`INTERPOLATIONS`.
      unequal: whether means may be over different, or unknown, numbers of images.

    Raises:
      ValueError: the means are over numbers of images that differ or are unknown, without
        ``unequal``; no image is common; or as :func:`rate_difference` and
        :func:`rdbound.analysis.curves.mean_curve`.
    """
    if not (anchor.per_image and test.per_image):
        averaged = (anchor.averaged, test.averaged)
        if not unequal:
            _check_equal(anchor, test)
        value = rate_difference(mean_curve(anchor), mean_curve(test), method, test.name)
        return BDRate(value, None, {}, averaged)
    common = sorted(anchor.images.keys() & test.images.keys())
    if not common:
        raise ValueError(f"{test.name}: no image in common with {anchor.name}")
    values = {
        i: rate_difference(anchor.images[i], test.images[i], method, f"{test.name}, {i}")
        for i in common
    }
    array = np.array(list(values.values()))
    return BDRate(float(array.mean()), interval(array), values)


def compared(anchor: ImageCurves, test: ImageCurves, method: str = "pchip") -> BDRate | str:
    """Return the BD-rate of :func:`compare`, or the message of its error."""
    try:
        return compare(anchor, test, method)
    except ValueError as error:
        return str(error)


def _check_equal(anchor: ImageCurves, test: ImageCurves) -> None:
    """Raise ValueError unless two means are known to be over the same number of images."""
    if anchor.averaged is not None and anchor.averaged == test.averaged:
        return
    mend = "" if test.averaged is not None else "give their number (--images, or a column images), "
    raise ValueError(
        f"{test.name} averages {_counted(test.averaged)}, {anchor.name} "
        f"{_counted(anchor.averaged)}, and means over different images do not compare: {mend}"
        "compare single images (a column image), or the means all the same (--unequal-means)"
    )
