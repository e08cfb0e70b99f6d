"""Res-hyper: the mean–scale hyperprior with residual FasterNet transforms.

The latent structure is that of Minnen, Ballé & Toderici 2018, the transforms
those of Zhang & Liu 2025 (arXiv 2501.12330, §4.1); [H, W, C] without a batch:

    image [H, W, 3] ─ analysis → y [H/16, W/16, M] ─ synthesis → image
    features [H/16, W/16, C] ─ hyper-analysis → z [H/64, W/64, N] ─ hyper-synthesis → p(y | z)

In a bound both levels are Gaussian channels and R = KL(q(z) ‖ p(z)) + E KL(q(y) ‖ p(y | z));
in a codec both are rounded, z with a mixture of Gaussians for its density. The unit of y
depends on λ: :mod:`rdbound.models.latent_units`. Transforms and hyperprior are those of
Res-context too (:class:`Hyperprior`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, ScalarLike
from pydantic import validate_call

from rdbound.models import klt_init
from rdbound.models.base import Embedding, cells_reached
from rdbound.models.factorized_prior import FactorizedPrior, check_form
from rdbound.models.latent_units import (
    HYPER_GAIN,
    LOG_SIGMA_POSTERIOR,
    PIXEL_GAIN,
    RATE_WIDTH,
    Compute,
    Unit,
    latent_unit,
    scaled_prior,
)
from rdbound.models.layers import (
    Down,
    Ladder,
    Modulation,
    Moments,
    RateEmbedding,
    Stack,
    Up,
    set_bias,
)
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.extent_mask import Extent
from rdbound.utils.registry import OPTIONS

__all__ = ["SIZES", "Hyperprior", "ResHyper", "Size"]


@dataclass(frozen=True)
class Size:
    """Widths and depths of the stages at strides 4, 8 and 16, and of the latents.

    The stage at stride 16 is never narrower than y.

    Attributes:
      widths: channels of the three stages of the analysis, mirrored by the synthesis.
      depths: residual blocks of each.
      latent: M, channels of y.
      hyper: N, channels of z and of the hyper transforms.
    """

    widths: tuple[int, int, int]
    depths: tuple[int, int, int]
    latent: int
    hyper: int


SIZES: dict[str, Size] = {
    "1": Size((48, 96, 128), (2, 3, 3), 96, 64),
    "2": Size((64, 128, 192), (2, 3, 3), 128, 64),
    "3": Size((96, 192, 256), (2, 3, 2), 192, 96),
    "4": Size((112, 192, 256), (3, 4, 2), 384, 128),
    "5": Size((128, 256, 320), (4, 4, 4), 384, 160),
    "6": Size((160, 320, 384), (5, 6, 6), 448, 192),
    "7": Size((192, 384, 512), (7, 8, 8), 448, 256),
    "8": Size((256, 512, 640), (8, 9, 8), 512, 256),
}
"""Sizes of Res-hyper and Res-context. A block of 16×16 pixels has 768 numbers: what the
linear path of 96, 128 or 192 latents drops of it is more than the noise of a high
rate, so that the three smallest are for λ up to about 0.01."""


def _second_half_zero(key, shape, dtype):
    """LeCun normal for the means of a head, zeros for its log-scales."""
    half = nnx.initializers.lecun_normal()(key, (shape[0], shape[1] // 2), dtype)
    return jnp.concatenate([half, jnp.zeros_like(half)], axis=1)


def _sized(size: str, latent: int | None) -> Size:
    """A size with ``latent`` channels of y, and a stage at stride 16 that can hold them."""
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}: choose one of {', '.join(SIZES)}")
    found = SIZES[size]
    latent = found.latent if latent is None else latent
    if latent < 1 or latent % 4:
        raise ValueError(f"latent = {latent}: y needs a multiple of four channels")
    a, b, c = found.widths
    return replace(found, widths=(a, b, max(c, latent)), latent=latent)


class Hyperprior(nnx.Module):
    """The transforms and the hyperprior of a model with z at stride 64 and y at stride 16.

    Abstract: a model adds ``infer``, ``prior`` and ``synthesize``.

    Args:
      size: a key of :data:`SIZES`.
      form: ``bound``: Gaussian p(z) per channel and p(y|z), every KL analytic;
        ``codec``: p(y|z) with a lower bound on its scale, and a mixture of
        Gaussians per channel for z.
      lmbda_range: (low, high) of a variable-rate model, whose blocks are
        modulated by an embedding of log λ; low = high for a fixed rate.
      latent: channels of y, in place of the size's own.
      compute: ``float32`` or ``bfloat16``, the type of the transforms'
        arithmetic; parameters, latents and rates stay float32.
      seed: seed of the initial weights.
      mse_per_unit: the λ of MSE on 0–255 that one unit of λ is worth, from which y has
        its unit: 1 for squared error, about 1/1270 for 1 − MS-SSIM (its usual λ of
        2.4 … 220 stand beside 0.0018 … 0.18, Bégaint et al. 2020).

    Raises:
      ValueError: for an unknown size or form, or a ``latent`` that is not a positive multiple
        of four.
    """

    citations = ("zhang2025gap",)
    stride = 64
    framed = True  # every layer that looks aside is confined
    precise = ("resamplings", "to_x", "to_y")  # the linear path: the picture itself goes by it

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        size: str = "4",
        form: str = "bound",
        lmbda_range: Sequence[float] = (0.0009, 0.0966),
        latent: int | None = None,
        compute: Compute = "float32",
        seed: int = 0,
        mse_per_unit: Unit = 1.0,
    ):
        self.form = check_form(form)
        self.lmbda_range = (lmbda_range[0], lmbda_range[1])
        self.compute = compute
        self.size = _sized(size, latent)
        self.mse_per_unit = float(mse_per_unit)
        dtype = jnp.dtype(compute)
        e = RATE_WIDTH if lmbda_range[0] < lmbda_range[1] else 0
        rngs = nnx.Rngs(seed)
        self.embedding = RateEmbedding(self.lmbda_range, e, rngs=rngs) if e else None
        self._build_transforms(e, dtype, rngs)
        self._build_hyper(e, dtype, rngs)
        _start_from_klt(self)
        self.top = FactorizedPrior(self.size.hyper, form, HYPER_GAIN)

    def _build_transforms(self, e: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        (a, b, c), depths, m = self.size.widths, self.size.depths, self.size.latent
        kw: dict[str, Any] = {"dtype": dtype, "rngs": rngs}

        def stack(stage: int, width: int) -> Stack:
            return Stack(width, depths[stage], e, **kw)

        self.analysis = Ladder(
            [Down(3, a, 4, **kw), Down(a, b, 2, **kw), Down(b, c, 2, **kw)],
            [stack(0, a), stack(1, b), stack(2, c)],
        )
        self.to_y = Moments(c, 2 * m, rngs=rngs)
        self.synthesis = Ladder(
            [Up(m, c, 1, **kw), Up(c, b, 2, **kw), Up(b, a, 2, **kw)],
            [stack(2, c), stack(1, b), stack(0, a)],
        )
        self.to_x = Up(a, 3, 4, rngs=rngs)
        # Gains of y on the way out of the analysis and into the synthesis.
        self.gain_out = Modulation(e or 1, m, rngs=rngs)
        self.gain_in = Modulation(e or 1, m, rngs=rngs)

    def _build_hyper(self, e: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        m, n = self.size.latent, self.size.hyper
        kw: dict[str, Any] = {"dtype": dtype, "rngs": rngs}

        def stack() -> Stack:
            return Stack(n, 1, e, **kw)

        self.hyper_analysis = Ladder(
            [Down(self.size.widths[2], n, 1, **kw), Down(n, n, 2, **kw), Down(n, n, 2, **kw)],
            [stack(), stack(), stack()],
        )
        self.to_z = Moments(n, 2 * n, kernel_init=_second_half_zero, rngs=rngs)
        self.hyper_synthesis = Ladder(
            [Up(n, n, 1, **kw), Up(n, n, 2, **kw), Up(n, n, 2, **kw)],
            [stack(), stack(), stack()],
        )
        zeros = nnx.initializers.zeros
        self.to_prior = Moments(n, 2 * m, kernel_init=zeros, rngs=rngs)

    @property
    def reach(self) -> int:
        """Cells of 64×64 pixels that the methods look beyond a place.

        A 3×3 convolution at stride s looks s pixels to each side. What a context adds, 48
        pixels, is less than a cell.
        """
        a, b, c = self.size.depths
        up = [(4 * a, 4), (8 * b, 8), (16 * c, 16)]
        hyper = [(16, 16), (32, 32), (64, 64)]
        return cells_reached(self.stride, up + hyper, hyper[::-1], up[::-1])

    def embed(self, lmbda: ScalarLike) -> Embedding:
        """Return the embedding of log λ, [32]; None in fixed-rate models."""
        if self.embedding is None:
            return None
        return self.embedding(jnp.asarray(lmbda, jnp.float32))

    def scale(self, lmbda: ScalarLike) -> Float[Array, ""]:
        """Return the units of y in one feature: :func:`latent_unit`."""
        return latent_unit(lmbda, self.mse_per_unit)

    def posteriors(
        self, x: Float[Array, "h w 3"], lmbda: ScalarLike, extent: Extent | None = None
    ) -> tuple[Gaussian, Gaussian]:
        """Return the posteriors of z [H/64, W/64, N] and y [H/16, W/16, M]."""
        e = self.embed(lmbda)
        features = self.analysis(PIXEL_GAIN * (x - 0.5), e, extent).astype(jnp.float32)
        mu, log_sigma = jnp.split(self.to_y(features), 2, axis=-1)
        mu = self.gain_out(mu, e) * self.scale(lmbda)
        y = Gaussian(mu, log_sigma + LOG_SIGMA_POSTERIOR)
        top = self.to_z(self.hyper_analysis(features, e, extent).astype(jnp.float32))
        z_mu, z_log_sigma = jnp.split(top, 2, axis=-1)
        return Gaussian(HYPER_GAIN * z_mu, z_log_sigma + LOG_SIGMA_POSTERIOR), y

    def hyper_features(
        self, z: Float[Array, "h w n"], e: Embedding, extent: Extent | None = None
    ) -> Float[Array, "4*h 4*w n"]:
        """Return features [H/16, W/16, N], float32, of z [H/64, W/64, N]."""
        return self.hyper_synthesis(z / HYPER_GAIN, e, extent).astype(jnp.float32)

    def prior_of_y(
        self, mu: Float[Array, "*y"], log_sigma: Float[Array, "*y"], lmbda: ScalarLike
    ) -> Gaussian:
        """Return the prior of y from moments in the unit of features."""
        return scaled_prior(self.form, mu, log_sigma, self.scale(lmbda))

    def image(
        self, y: Float[Array, "h w m"], lmbda: ScalarLike, extent: Extent | None = None
    ) -> Float[Array, "16*h 16*w 3"]:
        """Return the image [H, W, 3], real-valued, of y [H/16, W/16, M]."""
        e = self.embed(lmbda)
        y = self.gain_in(y / self.scale(lmbda), e)
        return self.to_x(self.synthesis(y, e, extent).astype(jnp.float32)) / PIXEL_GAIN + 0.5


class ResHyper(Hyperprior):
    """A mean–scale hyperprior. Two levels: z (stride 64, conveyed first) and y (stride 16).

    Its arguments are those of :class:`Hyperprior`.
    """

    def infer(
        self, x: Float[Array, "h w 3"], lmbda: ScalarLike, extent: Extent | None = None
    ) -> tuple[Gaussian, Gaussian]:
        """Return the posteriors of z [H/64, W/64, N] and y [H/16, W/16, M]."""
        return self.posteriors(x, lmbda, extent)

    def prior(
        self,
        level: int,
        latents: Sequence[Float[Array, "_ _ _"]],
        lmbda: ScalarLike,
        extent: Extent | None = None,
    ) -> Prior:
        """Return p(z), [N] per channel, or p(y | z), [H/16, W/16, M]."""
        if level == 0:
            return self.top()
        h = self.hyper_features(latents[0], self.embed(lmbda), extent)
        mu, log_sigma = jnp.split(self.to_prior(h), 2, axis=-1)
        return self.prior_of_y(mu, log_sigma, lmbda)

    def synthesize(
        self,
        latents: Sequence[Float[Array, "_ _ _"]],
        lmbda: ScalarLike,
        extent: Extent | None = None,
    ) -> Float[Array, "h w 3"]:
        """Return the image [H, W, 3], real-valued, of the latents (z, y)."""
        return self.image(latents[1], lmbda, extent)


def _start_from_klt(model: Hyperprior) -> None:
    """Make the linear path a transform codec; see :mod:`rdbound.models.klt_init`."""
    m = model.size.latent
    steps = klt_init.stages((4, 2, 2), model.size.widths)
    klt_init.start_downs(model.analysis.resamplings, steps)
    klt_init.start_ups((model.to_x, *reversed(model.synthesis.resamplings[1:])), steps)
    root = np.sqrt(steps[-1].std)
    rank = min(m, len(root))
    to_y = jnp.zeros_like(model.to_y.kernel[...])
    model.to_y.kernel[...] = to_y.at[:rank, :rank].set(np.diag(root[:rank]))
    from_y = model.synthesis.resamplings[0].dense.kernel
    undo = np.eye(rank, len(root)) / root
    from_y[...] = from_y[...].at[:rank].set(0.0).at[:rank, : len(root)].set(undo)
    log_std = 2.0 * np.log(root[:rank])
    set_bias(model.to_prior, slice(m, m + rank), log_std)
