"""The methods that estimate R(D), by name."""

from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rdbound.theory.base import Estimator
from rdbound.theory.blahut_arimoto import BlahutArimoto
from rdbound.theory.closed_forms import Exact, OneShot, ShannonLowerBound
from rdbound.theory.dual_lower_bound import NeuralLower
from rdbound.theory.nerd import NERD
from rdbound.theory.vae_upper_bound import NeuralUpper
from rdbound.theory.wasserstein import Wasserstein
from rdbound.utils.registry import find

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
    """The method called ``name``.

    Raises ValueError for an unknown name, an option that it does not have, or a
    value that the option does not take.
    """
    method = find("method", ESTIMATORS, name)
    known = [field.name for field in fields(method)]
    for key in options:
        if key not in known:
            raise ValueError(f"method {name!r}: no option {key!r}; it has {', '.join(known)}")
    try:
        return TypeAdapter(method).validate_python(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"method {name!r}: {where}: {first['msg']}, found {first['input']!r}"
        ) from None
