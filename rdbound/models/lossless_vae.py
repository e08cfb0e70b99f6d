"""A hierarchical VAE whose decoder returns a distribution of pixels, for lossless coding.

    model = make_model("resnet-vae-lossless", "bound", lmbda=1.0)

Levels at the strides 16 to 2 (:mod:`rdbound.models.hierarchy`), and at the end a discretized
logistic for every colour of every pixel. Trained for the distortion
``negative-log-likelihood`` at λ = 1, its J is the negative evidence lower bound in bits a
pixel: what bits-back coding takes (HiLLoC, Townsend et al. 2020, arXiv 1912.09953).

At initialization it is a pyramid: each stride conveys the principal components of what the
coarser strides left of its blocks, the finest, 2×2 pixels, with all twelve of them.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, ScalarLike
from pydantic import validate_call

from rdbound.models import klt_init
from rdbound.models.hierarchy import (
    FirstLevel,
    Hierarchy,
    HierarchyState,
    Level,
    LevelGroup,
    groups_of,
)
from rdbound.models.latent_units import PIXEL_GAIN, Compute, Unit, latent_unit, of_scale
from rdbound.models.layers import set_bias
from rdbound.models.resnet_vae import start_silent
from rdbound.ops.discretized_logistic import COLOURS, PixelDistribution
from rdbound.utils.registry import OPTIONS

__all__ = ["LOSSLESS", "LosslessVAE"]

LOSSLESS: dict[str, tuple[LevelGroup, ...]] = {
    "lossless": (
        LevelGroup(192, 1, 32, 1, 1),
        LevelGroup(128, 1, 32, 1, 1),
        LevelGroup(96, 2, 16, 1, 1),
        LevelGroup(64, 2, 12, 1, 1),
    ),
}
"""Groups, coarsest first."""

_FINEST = 2
_OUTPUTS = 3 * COLOURS  # mean, scale and lean of each colour
_LEVELS_PER_UNIT = 255.0 / PIXEL_GAIN
_SILENT = 0.03  # units are smaller here than where λ is of lossy coding
_V_SILENT = -8.0  # of priors that begin as wide as their posteriors
_LOG_SCALE = 0.5  # initial: of what a first model leaves open, in levels


class LosslessVAE(Hierarchy):
    """Levels at the strides 16, 8, 4 and 2, and a likelihood of pixels.

    Args:
      size: a key of :data:`LOSSLESS`.
      form: ``bound``, the only one.
      lmbda_range: (low, high) of λ, which multiplies the bits that the likelihood takes.
      compute: ``float32`` or ``bfloat16``, the type of the blocks' arithmetic.
      seed: seed of the initial weights.
      mse_per_unit: the λ of MSE on 0–255 that a latent's unit is made for.

    Raises:
      ValueError: for an unknown size or another form.
    """

    lossless = True

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        size: str = "lossless",
        form: str = "bound",
        lmbda_range: Sequence[float] = (1.0, 1.0),
        compute: Compute = "float32",
        seed: int = 0,
        mse_per_unit: Unit = 1.0,
    ):
        if form != "bound":
            raise ValueError(f"form = {form!r}: the lossless model is a bound, coded by bits-back")
        groups = groups_of(LOSSLESS, size)
        super().__init__(groups, _FINEST, _OUTPUTS, form, lmbda_range, compute, seed, mse_per_unit)
        _start_as_pyramid(self, [group.width for group in groups])

    def unit(self, level: int, lmbda: ScalarLike) -> Float[Array, ""]:
        """Return the same units at every level: all convey components of the picture."""
        return latent_unit(lmbda, self.mse_per_unit)

    def synthesize(self, state: HierarchyState) -> PixelDistribution:
        """Return the distribution of [H, W, 3] pixels of the state after all levels."""
        mu, log_scale, lean = jnp.split(self.to_x(state.h.astype(jnp.float32)), 3, axis=-1)
        return PixelDistribution(_LEVELS_PER_UNIT * mu + 127.5, log_scale, lean)


def _start_as_pyramid(model: LosslessVAE, widths: list[int]) -> None:
    """Let each stride convey what the coarser strides leave."""
    steps = klt_init.stages((2,) * len(widths), tuple(reversed(widths)))
    klt_init.start_downs(model.rise, steps)
    klt_init.start_ups(model.upsamplings()[1:], steps[1:])
    _start_pixels(model, steps[0])
    for number, (level, place) in enumerate(zip(model.levels, model.group_of, strict=True)):
        if number and model.group_of[number - 1] == place:
            start_silent(level, _V_SILENT)
            level.to_posterior.kernel[...] = _SILENT * level.to_posterior.kernel[...]
        else:
            _start_as_difference(level, steps[len(widths) - 1 - place])
    first = steps[-1].std[: model.levels[0].latent]
    spread = jnp.log(model.unit(0, model.lmbda_range[0]) * first)
    model.top.log_sigma[...] = model.top.log_sigma[...].at[: len(first)].set(spread)


def _start_pixels(model: LosslessVAE, step: klt_init.Stage) -> None:
    """Let the means be the transposed transform, scales and leans the same everywhere."""
    dense, factor = model.to_x.dense, _FINEST**2
    width = dense.kernel.shape[0]
    kernel = jnp.zeros((width, factor, _OUTPUTS))
    means = klt_init.up_kernel(jnp.zeros((width, factor * COLOURS)), step)
    kernel = kernel.at[:, :, :COLOURS].set(means.reshape(width, factor, COLOURS))
    dense.kernel[...] = kernel.reshape(width, -1)
    bias = jnp.zeros((factor, _OUTPUTS)).at[:, COLOURS : 2 * COLOURS].set(_LOG_SCALE)
    set_bias(dense, slice(None), bias.reshape(-1))


def _start_as_difference(level: FirstLevel | Level, step: klt_init.Stage) -> None:
    """Let a level convey the largest components of what the state lacks of the features."""
    root = np.sqrt(step.std)
    own = np.arange(min(level.latent, len(root)))
    level.look.kernel[...] = jnp.eye(level.width)
    means = jnp.zeros_like(level.to_posterior.kernel[...])
    level.to_posterior.kernel[...] = means.at[own, own].set(root[own])
    back = jnp.zeros_like(level.tell.kernel[...])
    level.tell.kernel[...] = back.at[own, own].set(1.0 / root[own])
    if isinstance(level, Level):
        level.from_state.kernel[...] = -jnp.eye(level.width)
        set_bias(level.to_prior, level.latent + own, of_scale(step.std[own]))
