"""Estimators of R(D), closed forms, and bounds on one-shot coding.

    estimates = make_method("wasserstein").solve(make_source("banana"), [0.3, 1.0])
    estimates[0].J, estimates[0].standard_error, estimates[0].certificate.y

The package imports its modules when they are used: reports quote closed formulas, which need no
networks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdbound.theory.base import Estimate, Estimator
    from rdbound.theory.estimators import ESTIMATORS, make_method

__all__ = ["ESTIMATORS", "Estimate", "Estimator", "make_method"]

_MODULES = {
    "ESTIMATORS": "rdbound.theory.estimators",
    "Estimate": "rdbound.theory.base",
    "Estimator": "rdbound.theory.base",
    "make_method": "rdbound.theory.estimators",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
