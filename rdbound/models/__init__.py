"""Latent models, by name.

    model = make_model("res-hyper-4", form="bound", lmbda=(0.0009, 0.0966))
    model = make_model("mlp", form="codec", lmbda=1.0, dimension=8)

A model from outside is named ``package.module:Class``; :mod:`rdbound.models.base` describes
its methods and attributes.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from rdbound.models.base import LatentModel
from rdbound.models.compressai_models import BALLE, Balle
from rdbound.models.factorized_prior import check_form
from rdbound.models.hyperprior import SIZES, ResHyper
from rdbound.models.lossless_vae import LOSSLESS, LosslessVAE
from rdbound.models.res_context import ResContext
from rdbound.models.resnet_vae import HIERARCHIES, ResNetVAE
from rdbound.models.vector_vae import MLP
from rdbound.utils.registry import build

__all__ = ["MODELS", "LatentModel", "family_citations", "make_model"]


MODELS: dict[str, Callable] = {
    **{f"res-hyper-{size}": partial(ResHyper, size) for size in SIZES},
    **{f"res-context-{size}": partial(ResContext, size) for size in SIZES},
    **{f"resnet-vae-{size}": partial(ResNetVAE, size) for size in HIERARCHIES},
    **{f"resnet-vae-{size}": partial(LosslessVAE, size) for size in LOSSLESS},
    **{name: partial(Balle, kind) for name, kind in BALLE.items()},
    "mlp": MLP,
}


def make_model(name: str, form: str, lmbda: float | Sequence[float], **options) -> LatentModel:
    """Build a model with fresh weights.

    Args:
      name: a key of :data:`MODELS`, or ``package.module:Class`` for a model from
        outside the package, which is called with the same keywords.
      form: ``bound`` or ``codec``. In both, weights have the same names, so that a
        codec can start from a bound.
      lmbda: one λ for a fixed rate, a pair (low, high) for a variable one.
      options: further arguments of the model.

    Raises:
      ValueError: for an unknown name, form or option, a λ that is not positive and finite, or
        a class without the methods of a latent model.
    """
    if "lmbda_range" in options:
        raise ValueError(f"model {name!r}: its range is given as lmbda, not as lmbda_range")
    given = {"form": check_form(form), "lmbda_range": _lmbda_range(lmbda)}
    model = build("model", MODELS, name, given | options)
    if not isinstance(model, LatentModel):
        raise ValueError(
            f"model {name!r} lacks a method or an attribute of a latent model "
            "(infer, prior, synthesize; stride, form, lmbda_range)"
        )
    return model


def family_citations(name: str) -> tuple[str, ...]:
    """Return the BibTeX keys of a model of :data:`MODELS`, those of its class; none for others."""
    make = MODELS.get(name)
    return getattr(getattr(make, "func", make), "citations", ())


def _lmbda_range(lmbda: float | Sequence[float]) -> tuple[float, float]:
    given = () if lmbda is None else lmbda  # a file may hold anything
    ends = (given,) if isinstance(given, int | float) else tuple(given)
    if len(ends) not in (1, 2) or not 0 < ends[0] <= ends[-1] < math.inf:
        raise ValueError(f"λ = {lmbda!r}: expected one positive number or a pair, low ≤ high")
    return float(ends[0]), float(ends[-1])
