"""Curves out of known answers: the exact R(D), the lowest upper and the highest lower bound."""

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from rdbound.tables.estimates import Answer

__all__ = ["exact_curve", "highest_line", "lower_hull"]


def exact_curve(answers: Sequence[Answer], points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """(D, R), each [points], of the exact curve of one source; [0] where it is hardly known.

    Through R(D) at the distortions of all answers, two or more, with its own
    slopes there, over ln D.
    """
    known = [a for a in answers if a.exact_slope is not None and a.distortion > 0]
    distinct = {f"{a.distortion:.4g}": a for a in known}
    knots = sorted(distinct.values(), key=lambda a: a.distortion)
    if len(knots) < 2:
        return np.empty(0), np.empty(0)
    log_d = np.log([a.distortion for a in knots])
    slopes = [-(a.exact_slope or 0.0) * a.distortion for a in knots]
    dense = np.linspace(log_d[0], log_d[-1], points)
    rates = CubicHermiteSpline(log_d, [a.exact_rate for a in knots], slopes)(dense)
    return np.exp(dense), np.maximum(rates, 0.0)


def highest_line(lower: Sequence[Answer], d: np.ndarray) -> np.ndarray:
    """The highest of the lines R = J − λ·D of lower bounds, at the distortions ``d`` [n]."""
    return np.max([a.J - a.lmbda * d for a in lower], axis=0)


def lower_hull(upper: Sequence[Answer], d: np.ndarray) -> np.ndarray:
    """The lowest chord between points of upper bounds, at ``d`` [n]; +∞ left of all.

    R(D) is convex and falls, so the hull of points above it is above it too.
    """
    return np.min([_chord(p, q, d) for p in upper for q in upper], axis=0)


def _chord(p: Answer, q: Answer, d: np.ndarray) -> np.ndarray:
    """R on the chord between two points, +∞ outside; right of one point, its own rate."""
    if p.distortion == q.distortion:
        return np.where(d >= p.distortion, min(p.rate, q.rate), np.inf)
    share = (d - p.distortion) / (q.distortion - p.distortion)
    return np.where((share >= 0) & (share <= 1), p.rate + share * (q.rate - p.rate), np.inf)
