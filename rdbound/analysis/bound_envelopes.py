"""Curves from points: the exact R(D), the lowest upper bound and the highest lower bound."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from rdbound.tables.estimates import Answer

__all__ = ["exact_curve", "highest_line", "hull_corners", "lower_hull"]

_Point = TypeVar("_Point", bound=tuple)
_POINTS = 400  # of a curve


def exact_curve(answers: Sequence[Answer]) -> tuple[np.ndarray, np.ndarray]:
    """Return points (D, R) of the exact curve of one source, none if fewer than two are known.

    The curve goes through R(D) at the distortions of all answers, with the exact
    slopes there, over ln D.
    """
    known = [a for a in answers if a.exact_slope is not None and a.distortion > 0]
    distinct = {f"{a.distortion:.4g}": a for a in known}
    knots = sorted(distinct.values(), key=lambda a: a.distortion)
    if len(knots) < 2:
        return np.empty(0), np.empty(0)
    log_d = np.log([a.distortion for a in knots])
    slopes = [-(a.exact_slope or 0.0) * a.distortion for a in knots]
    dense = np.linspace(log_d[0], log_d[-1], _POINTS)
    rates = CubicHermiteSpline(log_d, [a.exact_rate for a in knots], slopes)(dense)
    return np.exp(dense), np.maximum(rates, 0.0)


def highest_line(lower: Sequence[Answer], d: np.ndarray) -> np.ndarray:
    """Return the highest of the lines R = J − λ·D of lower bounds, at the distortions ``d`` [n]."""
    return np.max([a.J - a.lmbda * d for a in lower], axis=0)


def lower_hull(upper: Sequence[Answer], d: np.ndarray) -> np.ndarray:
    """Return the lower convex hull of upper bounds at ``d`` [n], +∞ left of all.

    R(D) is convex and falls, so the hull of points above it is above it too; right of the
    point with the least rate the hull is constant.
    """
    distortion, rate = np.array(hull_corners((a.distortion, a.rate) for a in upper)).T
    return np.interp(d, distortion, rate, left=np.inf)


def hull_corners(points: Iterable[_Point]) -> list[_Point]:
    """Return the corners of the lower convex hull of points (Andrew 1979), in time n·log n.

    Args:
      points: tuples that begin with a distortion and a rate.

    Returns:
      The corners from the least distortion to the least rate, which falls from each to the next.
    """
    corners: list[_Point] = []
    for point in sorted(points):
        if corners and point[1] >= corners[-1][1]:
            continue  # neither less rate nor less distortion
        while len(corners) > 1 and not _is_below(corners[-1], corners[-2], point):
            corners.pop()
        corners.append(point)
    return corners


def _is_below(middle: tuple, left: tuple, right: tuple) -> bool:
    """Return whether ``middle`` lies below the chord of its neighbours."""
    chord = (right[1] - left[1]) * (middle[0] - left[0])
    return (middle[1] - left[1]) * (right[0] - left[0]) < chord
