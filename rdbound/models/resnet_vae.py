"""ResNet-VAE: a hierarchy of latents at strides 64 to 4 (:mod:`rdbound.models.hierarchy`).

In a codec the latents are rounded around μ̂: what a hierarchy loses by that is a result in
itself.

At initialization it is a transform codec (:mod:`rdbound.models.klt_init`): the levels at
stride 16 convey the components of a 16×16 block, the largest first. The coarser levels do not
affect the reconstruction yet, and the finer ones have nearly no rate until training opens them.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, ScalarLike
from pydantic import validate_call

from rdbound.models import klt_init
from rdbound.models.hierarchy import (
    Hierarchy,
    HierarchyState,
    Level,
    LevelGroup,
    groups_of,
)
from rdbound.models.latent_units import HYPER_GAIN, PIXEL_GAIN, Compute, Unit, latent_unit, of_scale
from rdbound.models.layers import set_bias
from rdbound.utils.registry import OPTIONS

__all__ = ["HIERARCHIES", "ResNetVAE", "start_silent"]

_FINEST = 4
_TRANSFORM = 16  # the stride whose levels begin with the components of blocks
_V_SILENT = -4.0  # of priors that begin at about the scale of their posteriors

HIERARCHIES: dict[str, tuple[LevelGroup, ...]] = {
    "small": (
        LevelGroup(192, 2, 32, 1, 1),
        LevelGroup(256, 2, 32, 1, 1),
        LevelGroup(384, 3, 128, 3, 1),
        LevelGroup(192, 2, 32, 3, 1),
        LevelGroup(112, 2, 8, 3, 1),
    ),
    "large": (
        LevelGroup(768, 2, 32, 6, 4),
        LevelGroup(768, 2, 32, 6, 4),
        LevelGroup(640, 3, 128, 6, 4),
        LevelGroup(512, 4, 32, 6, 4),
        LevelGroup(256, 5, 16, 6, 4),
    ),
}
"""Groups, coarsest first. ``small`` trains on a CPU, ``large`` has about the 187 million
parameters of Duan et al. 2023."""


class ResNetVAE(Hierarchy):
    """Levels at the strides 64, 32, 16, 8 and 4, two or more at each.

    Args:
      size: a key of :data:`HIERARCHIES`.
      form: ``bound``: every posterior and prior Gaussian; ``codec``: the priors' scales
        are bounded below, and the first level's density is a mixture per channel.
      lmbda_range: (low, high) of a variable-rate model, whose blocks are modulated by an
        embedding of log λ; low = high for a fixed rate.
      compute: ``float32`` or ``bfloat16``, the type of the blocks' arithmetic.
      seed: seed of the initial weights.
      mse_per_unit: see :class:`rdbound.models.hyperprior.Hyperprior`.

    Raises:
      ValueError: for an unknown size or form.
    """

    citations = ("duan2023qarv",)

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        size: str = "small",
        form: str = "bound",
        lmbda_range: Sequence[float] = (0.0009, 0.0966),
        compute: Compute = "float32",
        seed: int = 0,
        mse_per_unit: Unit = 1.0,
    ):
        groups = groups_of(HIERARCHIES, size)
        super().__init__(groups, _FINEST, 3, form, lmbda_range, compute, seed, mse_per_unit)
        _start_from_klt(self, [group.width for group in groups])

    def unit(self, level: int, lmbda: ScalarLike) -> Float[Array, ""] | float:
        """Return the units of a latent: fixed above stride 16, whose rate hardly varies."""
        coarse = level == 0 or self.strides[self.group_of[level]] > _TRANSFORM
        return HYPER_GAIN if coarse else latent_unit(lmbda, self.mse_per_unit)

    def synthesize(self, state: HierarchyState) -> Float[Array, "h w 3"]:
        """Return the image [H, W, 3], real-valued, of the state after all levels."""
        return self.to_x(state.h.astype(jnp.float32)) / PIXEL_GAIN + 0.5


def _start_from_klt(model: ResNetVAE, widths: list[int]) -> None:
    """Make the linear path a transform codec, by what its levels at stride 16 convey."""
    if model.stride <= _TRANSFORM:
        return
    steps = klt_init.stages((4, 2, 2), tuple(reversed(widths[-3:])))
    ups = model.upsamplings()
    klt_init.start_downs(list(model.rise)[:3], steps)
    klt_init.start_ups(ups[:3], steps)
    # The coarser levels are to help the priors first.
    above = ups[3].dense.kernel
    above[...] = 0.1 * above[...]
    conveyed = 0
    for level, place in zip(model.levels, model.group_of, strict=True):
        if model.strides[place] == _TRANSFORM:
            _start_as(level, conveyed, np.sqrt(steps[-1].std))
            conveyed += level.latent
        elif model.strides[place] < _TRANSFORM:
            start_silent(level, _V_SILENT)


def _start_as(level: Level, first: int, root: np.ndarray) -> None:
    """Let a level convey components of its features, from the ``first`` on.

    Args:
      level: a level whose features are components over ``root``; its latent becomes the
        component itself.
      first: the first component.
      root: roots of the components' standard deviations, [r].
    """
    own = np.arange(first, min(first + level.latent, len(root)))
    place = own - first
    level.look.kernel[...] = jnp.eye(level.width)
    means = jnp.zeros_like(level.to_posterior.kernel[...])
    level.to_posterior.kernel[...] = means.at[own, place].set(root[own])
    back = jnp.zeros_like(level.tell.kernel[...])
    level.tell.kernel[...] = back.at[place, own].set(1.0 / root[own])
    set_bias(level.to_prior, level.latent + place, of_scale(root[own] ** 2))


def start_silent(level: Level, v: float) -> None:
    """Let a level see what the state lacks of the features, and convey nearly nothing.

    Args:
      level: the level.
      v: scale of the prior, before :func:`rdbound.models.latent_units.smooth_log`.
    """
    one = jnp.eye(level.width)
    level.look.kernel[...], level.from_state.kernel[...] = one, -one
    for kernel in (level.to_posterior.kernel, level.tell.kernel):
        kernel[...] = 0.1 * kernel[...]
    set_bias(level.to_prior, slice(level.latent, None), v)
