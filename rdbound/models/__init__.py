"""Latent models, by name."""

import importlib
from collections.abc import Callable, Sequence
from functools import partial

from rdbound.models.base import LatentModel
from rdbound.models.mlp import MLP
from rdbound.models.res_context import ResContext
from rdbound.models.res_hyper import SIZES, ResHyper

__all__ = ["MODELS", "LatentModel", "make_model"]


MODELS: dict[str, Callable] = {
    **{f"res-hyper-{size}": partial(ResHyper, size) for size in SIZES},
    **{f"res-context-{size}": partial(ResContext, size) for size in SIZES},
    "mlp": MLP,
}


def make_model(name: str, form: str, lmbda: float | Sequence[float], **options) -> LatentModel:
    """Build a model with fresh weights.

    Args:
      name: in :data:`MODELS`, or ``package.module:Class`` for a model from
        outside the package, which is called with the same keywords.
      form: ``bound`` or ``codec``.
      lmbda: one λ for a fixed rate, a pair (low, high) for a variable one.
      options: passed on.

    Raises ValueError for an unknown name, options it does not take, or a class
    without the sides of a latent model.
    """
    low, high = (lmbda, lmbda) if isinstance(lmbda, int | float) else lmbda
    build = MODELS[name] if name in MODELS else _outside(name)
    try:
        model = build(form=form, lmbda_range=(low, high), **options)
    except TypeError as error:
        raise ValueError(f"model {name!r}: {error}") from None
    if not isinstance(model, LatentModel):
        raise ValueError(
            f"model {name!r} lacks a side or an attribute of a latent model "
            "(infer, prior, synthesize; stride, peak, form, lmbda_range)"
        )
    return model


def _outside(name: str) -> Callable:
    module, _, attribute = name.partition(":")
    if not attribute:
        known = ", ".join(MODELS)
        raise ValueError(
            f"unknown model {name!r}: choose one of {known}, or write package.module:Class"
        )
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"model {name!r} cannot be imported: {error}") from None
