"""Bounds on the wrong side: of the truth where it is known, and of each other."""

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


def violations(answers: Sequence[Answer], limit: float = LIMIT) -> list[str]:
    """A sentence for every bound on the wrong side by more than ``limit`` standard errors.

    Of the truth where it is known, J of any bound and R of an upper one at its
    own D (which may be far from where J is least); and, known or not, a lower
    bound must not lie above an upper bound of the same source and λ. The J of
    ``neural-lower`` has the margin of its own confidence taken off already.
    """
    found = [_of_one(answer, limit) for answer in answers]
    return [sentence for sentence in found if sentence] + _crossings(answers, limit)


def _of_one(a: Answer, limit: float) -> str:
    """What is wrong with an answer by itself; empty where nothing is."""
    if not all(math.isfinite(x) for x in (a.rate, a.distortion, a.standard_error)):
        return f"{_wrong(a)} is not finite"
    if a.error is None or a.wrong_by is None:
        return ""
    slack = a.slack(limit)
    if a.wrong_by > slack:
        return (
            f"{_wrong(a)}: J misses the truth by {a.error:+.4g} bits, {_SIDES[a.side]} with a "
            f"slack of {slack:.2g}"
        )
    if _below_the_curve(a, limit):
        return f"{_wrong(a)}: R lies {a.below:.4g} bits below R(D) at D = {a.distortion:.4g}"
    return ""


_SIDES = {"upper": "an upper bound", "lower": "a lower bound", "exact": "an exact value"}


def _wrong(a: Answer) -> str:
    return f"WRONG: {a.method} on {a.source} at λ = {a.lmbda:g}"


def _below_the_curve(a: Answer, limit: float) -> bool:
    """Whether an upper bound's own point lies below R(D).

    To first order R(D) − R errs as R + slope·D does with the curve's slope there,
    which may be far from λ: its noise is not that of J.
    """
    if not a.is_upper_bound or a.below is None or a.exact_slope is None:
        return False
    weight = max(1.0, a.exact_slope / a.lmbda)
    slack = limit * _noise(a, a.exact_slope) + weight * a.tolerance
    return a.below > slack + a.rounding(a.exact_slope) + CURVE


def _noise(a: Answer, slope: float) -> float:
    """Standard error of R + ``slope``·D.

    Those of R, D and R + λ·D give the covariance of R and D, and with it the error of
    any other sum. Where they are not known, an error in D weighs by as much more
    than in J as the curve is steeper than λ; but only so far: D·slope is at most
    about 1/(2·ln 2) bits, so that the relative noise of D adds about as much as R's.
    """
    if a.rate_error is None or a.distortion_error is None:
        return a.standard_error * min(max(1.0, slope / a.lmbda), STEEPEST)
    R, D = a.rate_error**2, a.distortion_error**2
    twice = (a.standard_error**2 - R - a.lmbda**2 * D) / a.lmbda
    return math.sqrt(max(0.0, R + slope * twice + slope**2 * D))


def _crossings(answers: Sequence[Answer], limit: float) -> list[str]:
    """A sentence for every lower bound above an upper one of the same source and λ."""
    lower = [a for a in answers if a.side == "lower"]
    upper = [a for a in answers if a.is_upper_bound]
    return [
        f"{_wrong(low)} lies {low.J - high.J:.4g} bits above {high.method}, which is an upper bound"
        for low in lower
        for high in upper
        if (low.source, low.lmbda) == (high.source, high.lmbda)
        and _slack(low, high, limit) < low.J - high.J
    ]


def _slack(low: Answer, high: Answer, limit: float) -> float:
    noise = (low.standard_error**2 + high.standard_error**2) ** 0.5
    rounding = low.rounding(low.lmbda) + high.rounding(high.lmbda)
    return limit * noise + low.tolerance + high.tolerance + rounding
