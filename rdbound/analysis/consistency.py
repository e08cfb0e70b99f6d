"""Bounds on the wrong side of the known truth, or of each other.

The side of an estimate is ``upper`` (a point above R(D)), ``lower`` (a line below it) or ``exact``.
"""

import math
from collections.abc import Sequence

from rdbound.tables.estimates import Answer

__all__ = ["LIMIT", "violations"]

LIMIT = 3.0
"""Standard errors by which a bound may lie on the wrong side."""
CURVE = 1e-7
"""Bits to which the exact R at a distortion is computed."""
STEEPEST = 1.5
"""Standard errors of J by which R(D) − R may err at most, where only that of J is known."""


def violations(answers: Sequence[Answer]) -> list[str]:
    """Return a sentence for every bound on the wrong side by more than :data:`LIMIT` errors.

    Compared with the known truth: J of any bound, and R of an upper bound at its own D (which may
    be far from where J is least). Compared with each other: a lower bound must not lie above an
    upper bound of the same source and λ. The J of ``neural-lower`` is already reduced by the
    margin of its own confidence.
    """
    found = [_of_one(answer) for answer in answers]
    return [sentence for sentence in found if sentence] + _crossings(answers)


def _of_one(a: Answer) -> str:
    """Return what is wrong with an answer by itself, empty if nothing is."""
    if not all(math.isfinite(x) for x in (a.rate, a.distortion, a.standard_error)):
        return f"{_wrong(a)} is not finite"
    if a.error is None or a.wrong_by is None:
        return ""
    slack = a.slack(LIMIT)
    if a.wrong_by > slack:
        return (
            f"{_wrong(a)}: J misses the truth by {a.error:+.4g} bits, {_SIDES[a.side]} with a "
            f"slack of {slack:.2g}"
        )
    if _below_the_curve(a):
        return f"{_wrong(a)}: R lies {a.below:.4g} bits below R(D) at D = {a.distortion:.4g}"
    return ""


_SIDES = {"upper": "an upper bound", "lower": "a lower bound", "exact": "an exact value"}


def _wrong(a: Answer) -> str:
    return f"WRONG: {a.method} on {a.source} at λ = {a.lmbda:g}"


def _below_the_curve(a: Answer) -> bool:
    """Return whether an upper bound's own point lies below R(D).

    To first order R(D) − R has the error of R + slope·D, where the slope is that of the curve and
    may be far from λ: the noise is not that of J.
    """
    if not a.is_upper_bound or a.below is None or a.exact_slope is None:
        return False
    weight = max(1.0, a.exact_slope / a.lmbda)
    slack = LIMIT * _noise(a, a.exact_slope) + weight * a.tolerance
    return a.below > slack + a.rounding(a.exact_slope) + CURVE


def _noise(a: Answer, slope: float) -> float:
    """Return the standard error of R + ``slope``·D.

    The standard errors of R, D and R + λ·D give the covariance of R and D, and with it the error
    of any other sum. If they are unknown, the error of J is scaled by the ratio of the slope to
    λ, but by :data:`STEEPEST` at most: D·slope is at most about 1/(2·ln 2) bits, so the relative
    noise of D adds about as much as that of R.
    """
    if a.rate_error is None or a.distortion_error is None:
        return a.standard_error * min(max(1.0, slope / a.lmbda), STEEPEST)
    R, D = a.rate_error**2, a.distortion_error**2
    twice = (a.standard_error**2 - R - a.lmbda**2 * D) / a.lmbda
    return math.sqrt(max(0.0, R + slope * twice + slope**2 * D))


def _crossings(answers: Sequence[Answer]) -> list[str]:
    """Return a sentence for every lower bound above an upper one of the same source and λ."""
    lower = [a for a in answers if a.side == "lower"]
    upper = [a for a in answers if a.is_upper_bound]
    return [
        f"{_wrong(low)} lies {low.J - high.J:.4g} bits above {high.method}, which is an upper bound"
        for low in lower
        for high in upper
        if (low.source, low.lmbda) == (high.source, high.lmbda)
        and _slack(low, high) < low.J - high.J
    ]


def _slack(low: Answer, high: Answer) -> float:
    noise = (low.standard_error**2 + high.standard_error**2) ** 0.5
    rounding = low.rounding(low.lmbda) + high.rounding(high.lmbda)
    return LIMIT * noise + low.tolerance + high.tolerance + rounding
