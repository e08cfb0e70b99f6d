"""The stage that tries a model before anybody trains it."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from rdbound.channels import make_channel
from rdbound.checkpoints.model_check import Candidate, check_model, raised
from rdbound.models import LatentModel, make_model
from rdbound.models.base import level_model
from rdbound.objective.distortion import make_distortion
from rdbound.ops.image_quality import MS_SSIM_SMALLEST

__all__ = ["check_run"]


def check_run(
    name: str,
    forms: Sequence[str],
    lmbda: Sequence[float],
    options: dict[str, Any],
    distortion: str,
    dimension: int | None,
    say: Callable[[str], None],
) -> None:
    """Build a model in each form and try it; ``say`` is told each check that it passes.

    Args:
      name: of the model, or ``package.module:Class``.
      forms: ``bound`` or ``codec``, or both.
      lmbda: one λ, or low and high.
      options: of the model.
      distortion: by name.
      dimension: of the vectors; asked for where the model does not say it.
      say: takes a line.

    Raises ValueError at the first check that fails, with the model's name.
    """
    for form in forms:
        spec = {"name": name, "form": form, "lmbda": list(lmbda), **options}
        model = _built(spec)
        through = _channel(model)
        say(f"{name}, {form}, through the channel {through}")
        candidate = Candidate(
            model,
            spec,
            make_channel(through),
            make_distortion(distortion),
            _shape(model, dimension),
        )
        check_model(candidate, say)


def _built(spec: dict[str, Any]) -> LatentModel:
    try:
        return make_model(**spec)
    except ValueError:
        raise
    except Exception as error:
        module = sys.modules.get(spec["name"].partition(":")[0])
        what = f"model {spec['name']!r}: its constructor"
        raise raised(what, error, getattr(module, "__file__", None)) from error


def _channel(model: LatentModel) -> str:
    """What such a model is trained through: analytic rates where its first level has them."""
    if model.form == "codec":
        return "mixed"
    of = level_model(model)
    try:
        prior = of.prior(0, of.start(jnp.float32(model.lmbda_range[0])))
    except Exception:  # of the model's code: the check of its sides tells which and where
        return "gaussian"
    return "gaussian" if hasattr(prior, "kl_bits") else "sampled"


def _shape(model: LatentModel, dimension: int | None) -> tuple[int, ...]:
    """Of a datum: an image of two strides or more, large enough for every distortion; or [n]."""
    if not isinstance(model.stride, int) or model.stride < 1:
        raise ValueError(f"the model's stride is {model.stride!r}, no positive integer")
    if model.stride > 1:
        side = model.stride * max(2, -(-MS_SSIM_SMALLEST // model.stride))
        return (side, side, 3)
    found = getattr(model, "dimension", dimension)
    if found is None:
        raise ValueError("a model of vectors that does not say its dimension needs --dimension")
    return (found,)
