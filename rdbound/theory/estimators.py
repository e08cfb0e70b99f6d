"""The estimators of R(D) by name."""

from collections.abc import Callable
from typing import Any

from rdbound.theory.base import Estimator
from rdbound.theory.blahut_arimoto import BlahutArimoto
from rdbound.theory.closed_forms import Exact, OneShot, ShannonLowerBound
from rdbound.theory.dual_lower_bound import NeuralLower
from rdbound.theory.nerd import NERD
from rdbound.theory.vae_upper_bound import NeuralUpper
from rdbound.theory.wasserstein import Wasserstein
from rdbound.utils.registry import build, find

__all__ = ["ESTIMATORS", "make_method"]

ESTIMATORS: dict[str, Callable[..., Estimator]] = {
    "blahut-arimoto": BlahutArimoto,
    "exact": Exact,
    "nerd": NERD,
    "neural-lower": NeuralLower,
    "neural-upper": NeuralUpper,
    "one-shot": OneShot,
    "shannon-lower": ShannonLowerBound,
    "wasserstein": Wasserstein,
}


def make_method(name: str, **options: Any) -> Estimator:
    """Build an estimator of R(D).

    Args:
      name: a name in :data:`ESTIMATORS`.
      options: its options, the fields of its dataclass.

    Returns:
      The estimator.

    Raises:
      ValueError: if the name or an option is unknown, or a value is invalid.
    """
    find("method", ESTIMATORS, name)  # else `build` imports what a config calls package:Class
    return build("method", ESTIMATORS, name, options)
