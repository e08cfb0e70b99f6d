"""The best point known of an image at a λ: J_best, which gaps are measured against.

An operational point is an upper bound too, so that not only bounds compete for it:

    J_best = R + λ·D on the exact R(D)    where rows of the method ``exact`` tell it
             min of bpp + λ·mse           elsewhere, over every achievable point of the image

Achievable are the rows of bounds, of ideal code lengths and of written bytes, of every
model and of every λ', since a point does not ask which λ it was made for; and
published points of that image by name, codecs and bounds. A floor, which has no rate,
and a method that nobody knows are not.

Models that were trained for another distortion have points (bpp, mse) too, and compete
by them. Where the gaps themselves are in another distortion, nothing of other λ' can be
judged: there the least J of the same λ is the best known, of rows that are not judged by
the MSE either (which distortion it was, tables do not say).
"""

import sys
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdbound import reference
from rdbound.analysis.image_sets import bare_names
from rdbound.methods import kind_of
from rdbound.tables.rd import Row, is_squared

__all__ = ["EXACT", "Best", "Key", "KnownPoint", "best_known"]

EXACT = "exact R(D)"
"""What a point of the source's own curve is called."""
_ACHIEVABLE = {"bound", "ideal", "coded"}

Key = tuple[str, float, str]  # (data set, λ, image)


class KnownPoint(NamedTuple):
    """A point, and ``who`` it is of: a model and its method, a reference, or :data:`EXACT`."""

    mse: float
    bpp: float
    psnr: float
    who: str


class Best(NamedTuple):
    """The best point known, with its J in bits per pixel."""

    J: float
    point: KnownPoint


def best_known(rows: Sequence[Row], wanted: Iterable[Key], squared: bool) -> dict[Key, Best]:
    """J_best of each (data set, λ, image) that is ``wanted``; in time n·log n of the rows.

    Args:
      rows: all that compete; at least one of each wanted image and λ.
      wanted: where.
      squared: whether gaps are in MSE.
    """
    exact = {(r.dataset, r.lmbda): r for r in rows if kind_of(r.method) == "exact"}
    of_image: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if kind_of(row.method) in _ACHIEVABLE:
            of_image.setdefault((row.dataset, row.image), []).append(row)
    asked: dict[tuple[str, str], list[float]] = {}
    for dataset, lmbda, image in wanted:
        asked.setdefault((dataset, image), []).append(lmbda)
    out, names = {}, bare_names(image for _, image in of_image)
    for (dataset, image), lmbdas in asked.items():
        published = _published(dataset, names[image])
        rivals = _Rivals(of_image[dataset, image], published, squared)
        for lmbda in lmbdas:
            known = exact.get((dataset, lmbda))
            best = rivals.best(lmbda) if known is None else Best(known.J, _point(known, EXACT))
            out[dataset, lmbda, image] = best
    return out


class _Rivals:
    """The points of one image, judged at any λ.

    Args:
      rows: its achievable ones.
      published: its published ones.
      squared: see :func:`best_known`.
    """

    def __init__(self, rows: Sequence[Row], published: Sequence[KnownPoint], squared: bool):
        self._own: dict[float, Row] = {}
        for row in rows:
            # Nothing was lost: any distortion is 0.
            alike = row.mse == 0 or is_squared(row) == squared
            if alike and (row.lmbda not in self._own or row.J < self._own[row.lmbda].J):
                self._own[row.lmbda] = row
        points = [*map(_point, rows), *published] if squared else []
        self._corners = _corners(points)
        self._slopes = [
            (p.bpp - q.bpp) / (p.mse - q.mse)
            for p, q in zip(self._corners, self._corners[1:], strict=False)
        ]

    def best(self, lmbda: float) -> Best:
        """The least of the points at λ."""
        row = self._own.get(lmbda)
        own = [] if row is None else [Best(row.J, _point(row))]
        if not self._corners:
            return own[0]
        # Towards larger MSE the slopes −dR/dD fall; the corner is where they pass λ.
        corner = self._corners[bisect_left(self._slopes, -lmbda)]
        if own and own[0].point[:2] == corner[:2]:
            return own[0]  # its J as the table has it, to the last digit
        return min([*own, Best(corner.bpp + lmbda * corner.mse, corner)])


def _corners(points: Iterable[KnownPoint]) -> list[KnownPoint]:
    """Of the lower convex hull, from the least MSE to the least rate (Andrew 1979)."""
    corners: list[KnownPoint] = []
    for point in sorted(points):
        if corners and point.bpp >= corners[-1].bpp:
            continue  # neither less rate nor less distortion
        while len(corners) > 1 and not _is_below(corners[-1], corners[-2], point):
            corners.pop()
        corners.append(point)
    return corners


def _is_below(middle: KnownPoint, left: KnownPoint, right: KnownPoint) -> bool:
    """Whether ``middle`` lies below the chord of its neighbours."""
    chord = (right.bpp - left.bpp) * (middle.mse - left.mse)
    return (middle.bpp - left.bpp) * (right.mse - left.mse) < chord


def _point(row: Row, who: str = "") -> KnownPoint:
    return KnownPoint(row.mse, row.bpp, row.psnr, who or sys.intern(f"{row.model} {row.method}"))


def _published(dataset: str, image: str) -> list[KnownPoint]:
    """Of one image, of every reference that is known per image."""
    return [
        KnownPoint(p.mse, p.bpp, p.psnr, curve.label)
        for (name, _, per_image), curve in reference.curves().items()
        if name == dataset and per_image
        for p in curve.points
        if p.image == image and p.mse is not None and p.psnr is not None
    ]
