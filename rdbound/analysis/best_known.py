"""The best known point of an image at a λ: J_best, from which gaps are measured.

An operational point is an upper bound too, so that codecs and bounds compete:

    J_best = R + λ·D on the exact R(D)    if the table has rows of the method ``exact``
             min of bpp + λ·mse           otherwise, over every achievable point of the image

Achievable are the rows of bounds, of ideal code lengths and of written bytes, of every
model and every λ', since a point is achievable whatever λ it was optimized for; and
published points of that image by name, codecs and bounds. Distortion floors, which have no rate,
and unknown methods are not.

Models that were trained for another distortion have points (bpp, mse) too, and compete
by them. If the gaps themselves are in another distortion, rows of other λ' cannot be compared:
the best known is then the least J at the same λ among the rows that are not evaluated by the MSE
(tables do not contain the distortion's name).
"""

import sys
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdbound import reference
from rdbound.analysis.bound_envelopes import hull_corners
from rdbound.analysis.image_sets import bare_names
from rdbound.methods import kind_of
from rdbound.tables.rd import Row, is_squared

__all__ = ["EXACT", "Best", "PointKey", "KnownPoint", "best_known"]

EXACT = "exact R(D)"
"""Label of a point of the source's own curve."""
_ACHIEVABLE = {"bound", "ideal", "coded"}

PointKey = tuple[str, float, str]  # (data set, λ, image)


class KnownPoint(NamedTuple):
    """A point; ``who`` is a model and its method, a reference, or :data:`EXACT`."""

    mse: float
    bpp: float
    psnr: float
    who: str


class Best(NamedTuple):
    """The best point known, with its J in bits per pixel."""

    J: float
    point: KnownPoint


def best_known(
    rows: Sequence[Row], wanted: Iterable[PointKey], squared: bool
) -> dict[PointKey, Best]:
    """Return J_best for each wanted (data set, λ, image), in time n·log n for n rows.

    Args:
      rows: all rows that compete; at least one for each wanted image and λ.
      wanted: keys of the result.
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
    """The points of one image, compared at any λ.

    Args:
      rows: its achievable rows.
      published: its published points.
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
        self._corners = hull_corners(points)
        self._slopes = [
            (p.bpp - q.bpp) / (p.mse - q.mse)
            for p, q in zip(self._corners, self._corners[1:], strict=False)
        ]

    def best(self, lmbda: float) -> Best:
        """Return the point with the least J at λ."""
        row = self._own.get(lmbda)
        own = [] if row is None else [Best(row.J, _point(row))]
        if not self._corners:
            return own[0]
        # Towards larger MSE the slopes −dR/dD fall; the corner is where they pass λ.
        corner = self._corners[bisect_left(self._slopes, -lmbda)]
        if own and own[0].point[:2] == corner[:2]:
            return own[0]  # its J as the table has it, to the last digit
        return min([*own, Best(corner.bpp + lmbda * corner.mse, corner)])


def _point(row: Row, who: str = "") -> KnownPoint:
    return KnownPoint(row.mse, row.bpp, row.psnr, who or sys.intern(f"{row.model} {row.method}"))


def _published(dataset: str, image: str) -> list[KnownPoint]:
    """Return the points of one image in all references that are known per image."""
    return [
        KnownPoint(p.mse, p.bpp, p.psnr, curve.label)
        for (name, _, per_image), curve in reference.curves().items()
        if name == dataset and per_image
        for p in curve.points
        if p.image == image and p.mse is not None and p.psnr is not None
    ]
