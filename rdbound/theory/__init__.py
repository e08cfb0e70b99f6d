"""Methods that estimate R(D), by name."""

from collections.abc import Callable

from rdbound.theory.base import Estimate, Method
from rdbound.theory.blahut_arimoto import BlahutArimoto
from rdbound.theory.closed_forms import Exact, ShannonLowerBound
from rdbound.theory.nerd import NERD
from rdbound.theory.neural_lower import NeuralLower
from rdbound.theory.neural_upper import NeuralUpper
from rdbound.theory.wasserstein import Wasserstein

__all__ = ["METHODS", "Estimate", "Method", "make_method"]

METHODS: dict[str, Callable[..., Method]] = {
    "blahut-arimoto": BlahutArimoto,
    "exact": Exact,
    "nerd": NERD,
    "neural-lower": NeuralLower,
    "neural-upper": NeuralUpper,
    "shannon-lower": ShannonLowerBound,
    "wasserstein": Wasserstein,
}


def make_method(name: str, **options) -> Method:
    """The method called ``name``; raises ValueError for an unknown name or option."""
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}: choose one of {', '.join(sorted(METHODS))}")
    # Lists of a YAML file become the tuples of a hashable dataclass.
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    try:
        return METHODS[name](**options)
    except TypeError as error:
        raise ValueError(f"method {name!r}: {error}") from None
