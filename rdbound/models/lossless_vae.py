"""A ResNet-VAE whose decoder says a distribution of pixels, for lossless coding.

    model = make_model("resnet-vae-lossless", "bound", lmbda=1.0)

Levels at the strides 16 to 2 (:mod:`rdbound.models.resnet_vae`), and at the end a discretized
logistic for every colour of every pixel. Trained for the distortion
``negative-log-likelihood`` at λ = 1, its J is the negative evidence lower bound in bits a
pixel: what bits-back coding takes (HiLLoC, Townsend et al. 2020, arXiv 1912.09953).

Untrained, it is a pyramid: each stride begins with the principal components of what the
strides above left of its blocks, the finest, 2×2 pixels, with all twelve of them.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import validate_call

from rdbound.models import klt_init
from rdbound.models.hyperprior import PIXEL_GAIN, Compute, Unit, latent_unit
from rdbound.models.resnet_vae import (
    HierarchyState,
    Level,
    LevelGroup,
    ResNetVAE,
    of_scale,
    set_bias,
)
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

_LEVELS_PER_UNIT = 255.0 / PIXEL_GAIN
_SILENT = 0.03  # units are smaller here than where λ is of lossy coding
_V_SILENT = -8.0  # of priors that begin as wide as their posteriors
_LOG_SCALE = 0.5  # initial: of what a first model leaves open, in levels


class LosslessVAE(ResNetVAE):
    """Levels at the strides 16, 8, 4 and 2, and a likelihood of pixels.

    Args:
      size: a key of :data:`LOSSLESS`.
      form: ``bound``; there is no other.
      lmbda_range: of λ, which multiplies the bits that the likelihood takes.
      compute, seed: as of :class:`rdbound.models.resnet_vae.ResNetVAE`.
      mse_per_unit: the λ of MSE on 0–255 that a latent's unit is made for.

    Raises ValueError for an unknown size or another form.
    """

    lossless = True
    hierarchies = LOSSLESS
    finest = 2
    outputs = 3 * COLOURS

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
        super().__init__(size, form, lmbda_range, compute, seed, mse_per_unit)

    def _start_from_klt(self, widths: list[int]) -> None:
        """Make the linear path a pyramid of what stride after stride still has to say."""
        steps = klt_init.stages((2,) * len(widths), tuple(reversed(widths)))
        ups = [self.to_x, *(one.finer for one in reversed(self.levels[:-1]) if one.finer)]
        ins = (3, *reversed(widths[1:]))
        for step, down, up, width in zip(steps, self.rise, ups, ins, strict=True):
            down.dense.kernel[...] = klt_init.down_kernel(down.dense.kernel[...], step, width)
            if up is not self.to_x:
                up.dense.kernel[...] = klt_init.up_kernel(up.dense.kernel[...], step, width)
        self._start_pixels(steps[0])
        for number, (level, place) in enumerate(zip(self.levels, self.group_of, strict=True)):
            if number and self.group_of[number - 1] == place:
                level.start_silent()
                level.to_posterior.kernel[...] = _SILENT * level.to_posterior.kernel[...]
                assert level.to_prior is not None
                set_bias(level.to_prior, slice(level.latent, None), _V_SILENT)
            else:
                _start_as_difference(level, steps[len(widths) - 1 - place])
        first = steps[-1].std[: self.levels[0].latent]
        spread = jnp.log(self._unit(0, self.lmbda_range[0]) * first)
        self.top.log_sigma[...] = self.top.log_sigma[...].at[: len(first)].set(spread)

    def _start_pixels(self, step: klt_init.Stage) -> None:
        """Means by the transposed transform; scales and leans all alike."""
        dense = self.to_x.dense
        factor, width = self.finest**2, dense.kernel.shape[0]
        kernel = jnp.zeros((width, factor, self.outputs))
        means = klt_init.up_kernel(jnp.zeros((width, factor * COLOURS)), step, COLOURS)
        kernel = kernel.at[:, :, :COLOURS].set(means.reshape(width, factor, COLOURS))
        dense.kernel[...] = kernel.reshape(width, -1)
        bias = jnp.zeros((factor, self.outputs)).at[:, COLOURS : 2 * COLOURS].set(_LOG_SCALE)
        dense.bias[...] = bias.reshape(-1)

    def _unit(self, level: int, lmbda: jax.Array | float) -> jax.Array | float:
        """The same at every level: all convey components of the picture."""
        return latent_unit(lmbda, self.mse_per_unit)

    def synthesize(self, state: HierarchyState) -> PixelDistribution:  # type: ignore[override]
        """The state after all levels → a distribution of [H, W, 3] pixels."""
        assert state.h is not None
        found = self.to_x(state.h.astype(jnp.float32))
        mu, log_scale, lean = jnp.split(found, 3, axis=-1)
        return PixelDistribution(_LEVELS_PER_UNIT * mu + 127.5, log_scale, lean)


def _start_as_difference(level: Level, step: klt_init.Stage) -> None:
    """Convey the largest components of what the state lacks of the features."""
    root = np.sqrt(step.std)
    own = np.arange(min(level.latent, len(root)))
    level.look.kernel[...] = jnp.eye(level.width)
    if level.from_state is not None:
        level.from_state.kernel[...] = -jnp.eye(level.width)
    means = jnp.zeros_like(level.to_posterior.kernel[...])
    level.to_posterior.kernel[...] = means.at[own, own].set(root[own])
    if level.to_prior is not None:
        set_bias(level.to_prior, level.latent + own, of_scale(step.std[own]))
    says = jnp.zeros_like(level.tell.kernel[...])
    level.tell.kernel[...] = says.at[own, own].set(1.0 / root[own])
