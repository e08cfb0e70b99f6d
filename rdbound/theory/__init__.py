"""Methods that estimate R(D), and what theory knows without computing.

All is imported when it is asked for: closed formulas, which reports quote, need no networks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdbound.theory.base import Estimate, Estimator
    from rdbound.theory.estimators import ESTIMATORS, make_method

__all__ = ["ESTIMATORS", "Estimate", "Estimator", "make_method"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "base" if name.startswith("Estimat") else "estimators"
    return getattr(import_module(f"rdbound.theory.{module}"), name)
