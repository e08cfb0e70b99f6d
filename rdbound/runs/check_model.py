"""Build a model by name and check it before it is trained."""

import sys
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from rdbound.channels import make_channel
from rdbound.checkpoints.model_check import Candidate, check_model, raised
from rdbound.models import LatentModel, make_model
from rdbound.models.base import level_model
from rdbound.objective.distortion import make_distortion
from rdbound.ops.image_quality import MS_SSIM_SMALLEST
from rdbound.utils.progress import LOG

__all__ = ["check_run"]


def check_run(
    name: str,
    forms: Sequence[str],
    lmbda: Sequence[float],
    options: dict[str, Any],
    distortion: str,
    dimension: int | None,
) -> None:
    """Build a model in each form and check it; each check that it passes is logged.

    Args:
      name: name of the model, or ``package.module:Class``.
      forms: ``bound`` or ``codec``, or both.
      lmbda: one λ, or the lowest and the highest.
      options: options of the model.
      distortion: name of the distortion.
      dimension: dimension of the vectors, for a model without an attribute ``dimension``.

    Raises:
      ValueError: a check fails; the message has the model's name.
    """
    for form in forms:
        spec = {"name": name, "form": form, "lmbda": list(lmbda), **options}
        model = _built(spec)
        channel, shape = _channel(model), _shape(model, dimension)
        LOG.info(f"{name}, {form}, through the channel {channel}")
        d = make_distortion(distortion)
        check_model(Candidate(model, spec, make_channel(channel), d, shape))


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
    """Return the channel of training: with analytic rates if the first level has them."""
    if model.form == "codec":
        return "mixed"
    levels = level_model(model)
    try:
        prior = levels.prior(0, levels.start(jnp.float32(model.lmbda_range[0])))
    except Exception:  # of the model's code: the checks find it again and name its place
        return "gaussian"
    return "gaussian" if hasattr(prior, "kl_bits") else "sampled"


def _shape(model: LatentModel, dimension: int | None) -> tuple[int, ...]:
    """Return the shape of a datum: an image large enough for every distortion, or [n]."""
    if not isinstance(model.stride, int) or model.stride < 1:
        raise ValueError(f"the model's stride is {model.stride!r}, no positive integer")
    if model.stride > 1:
        side = model.stride * max(2, -(-MS_SSIM_SMALLEST // model.stride))
        return (side, side, 3)
    found = getattr(model, "dimension", dimension)
    if found is None:
        raise ValueError("a model of vectors without an attribute dimension needs --dimension")
    return (found,)
