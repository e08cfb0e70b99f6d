"""The methods that estimate R(D), by name."""

from typing import Any

from rdbound.theory.base import Estimator
from rdbound.theory.blahut_arimoto import BlahutArimoto
from rdbound.theory.closed_forms import Exact, OneShot, ShannonLowerBound
from rdbound.theory.dual_lower_bound import NeuralLower
from rdbound.theory.nerd import NERD
from rdbound.theory.vae_upper_bound import NeuralUpper
from rdbound.theory.wasserstein import Wasserstein
from rdbound.utils.registry import build

__all__ = ["ESTIMATORS", "make_method"]

ESTIMATORS: dict[str, Any] = {
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
    """Return the estimator called ``name``.

    Raises:
      ValueError: for an unknown name, and for an option that the estimator refuses.
    """
    return build("method", ESTIMATORS, name, options)
