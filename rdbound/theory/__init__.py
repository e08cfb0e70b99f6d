"""Methods that estimate R(D), and what theory knows without computing.

All is imported when it is asked for: closed formulas, which reports quote, need no networks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdbound.theory.base import Estimate, Estimator
    from rdbound.theory.estimators import ESTIMATORS, make_method

__all__ = ["ESTIMATORS", "Estimate", "Estimator", "make_method"]


_HOMES = {
    "ESTIMATORS": "rdbound.theory.estimators",
    "Estimate": "rdbound.theory.base",
    "Estimator": "rdbound.theory.base",
    "make_method": "rdbound.theory.estimators",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
