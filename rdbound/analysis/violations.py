"""Bounds on the wrong side: of the truth where it is known, and of each other."""

import math
from collections.abc import Sequence

from rdbound.tables.answers import Answer

__all__ = ["LIMIT", "violations"]

LIMIT = 3.0
"""Standard errors by which a bound may lie on the wrong side."""
ROUNDING = 1e-9
CURVE = 1e-7
"""Bits to which the exact R at a distortion is computed."""


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
    if a.error is None:
        return ""
    slack = limit * a.standard_error + a.tolerance + ROUNDING
    beyond = {"upper": -a.error, "lower": a.error, "exact": abs(a.error)}.get(a.side, 0.0)
    if beyond > slack:
        return (
            f"{_wrong(a)}: J misses the truth by {a.error:+.4g} bits, {_SIDES[a.side]} with a "
            f"slack of {slack:.2g}"
        )
    if _below_the_curve(a, slack):
        return f"{_wrong(a)}: R lies {a.below:.4g} bits below R(D) at D = {a.distortion:.4g}"
    return ""


_SIDES = {"upper": "an upper bound", "lower": "a lower bound", "exact": "an exact value"}


def _wrong(a: Answer) -> str:
    return f"WRONG: {a.method} on {a.source} at λ = {a.lmbda:g}"


def _below_the_curve(a: Answer, slack: float) -> bool:
    """Whether an upper bound's own point lies below R(D).

    ``slack`` is that of J; where the curve is steeper than λ, an error in D
    weighs by as much more.
    """
    if a.side not in ("upper", "exact") or a.below is None or a.exact_slope is None:
        return False
    return a.below > slack * max(1.0, a.exact_slope / a.lmbda) + CURVE


def _crossings(answers: Sequence[Answer], limit: float) -> list[str]:
    """A sentence for every lower bound above an upper one of the same source and λ."""
    lower = [a for a in answers if a.side == "lower"]
    upper = [a for a in answers if a.side in ("upper", "exact")]
    return [
        f"{_wrong(low)} lies {low.J - high.J:.4g} bits above {high.method}, which is an upper bound"
        for low in lower
        for high in upper
        if (low.source, low.lmbda) == (high.source, high.lmbda)
        and _slack(low, high, limit) < low.J - high.J
    ]


def _slack(low: Answer, high: Answer, limit: float) -> float:
    noise = (low.standard_error**2 + high.standard_error**2) ** 0.5
    return limit * noise + low.tolerance + high.tolerance + ROUNDING
