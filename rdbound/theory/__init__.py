"""Methods that estimate R(D), and what theory knows without computing.

The registry is imported when it is asked for: closed formulas need no networks.
"""

from typing import TYPE_CHECKING, Any

from rdbound.theory.base import Estimate, Estimator

if TYPE_CHECKING:
    from rdbound.theory.estimators import ESTIMATORS, make_method

__all__ = ["ESTIMATORS", "Estimate", "Estimator", "make_method"]


def __getattr__(name: str) -> Any:
    if name not in ("ESTIMATORS", "make_method"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rdbound.theory import estimators

    return getattr(estimators, name)
