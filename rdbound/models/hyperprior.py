"""What Res-hyper and Res-context share: sizes, transforms, and a hyperprior over y.

Residual FasterNet transforms after Zhang & Liu 2025 (arXiv 2501.12330, §4.1). The
latent structure, [H, W, C] without a batch:

    image [H, W, 3] ─ analysis → y [H/16, W/16, M] ─ synthesis → image
    features [H/16, W/16, C] ─ hyper-analysis → z [H/64, W/64, N] ─ hyper-synthesis → p(y | z)

The unit of y depends on λ: one unit is the step that a uniform quantizer should
have at λ, Δ² = 18 / (ln 2·λ) on 0–255 in an orthonormal transform of RGB. Rounding to
integers is then about right at every rate, and a variable-rate model need not learn it.

Res-hyper: the mean–scale hyperprior with residual FasterNet transforms.

The latent structure is that of Minnen, Ballé & Toderici 2018, the transforms
those of Zhang & Liu 2025 (arXiv 2501.12330, §4.1). In a bound both levels are
Gaussian channels and R = KL(q(z) ‖ p(z)) + E KL(q(y) ‖ p(y | z)); in a codec both are
rounded, z with a mixture of Gaussians for its density.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from pydantic import Field, validate_call

from rdbound.models import klt_init
from rdbound.models.factorized_prior import SCALE_BOUND, FactorizedPrior, check_form
from rdbound.models.layers import Down, FasterBlock, Modulation, Moments, RateEmbedding, Up
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.gaussian import LN2
from rdbound.ops.quantization import lower_bound
from rdbound.utils.registry import OPTIONS

__all__ = [
    "Compute",
    "HYPER_GAIN",
    "Hyperprior",
    "LOG_SIGMA_POSTERIOR",
    "PIXEL_GAIN",
    "RATE_WIDTH",
    "ResHyper",
    "SIZES",
    "Size",
    "Stack",
    "Unit",
    "latent_unit",
    "scaled_prior",
]

Compute = Literal["float32", "bfloat16"]


Unit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


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


"""Of Res-hyper and Res-context. A block of 16×16 pixels has 768 numbers: what the
linear path of 96, 128 or 192 latents drops of it is more than the noise of a high
rate, so that the three smallest are for λ up to about 0.01."""


RATE_WIDTH = 32  # of the embedding of log λ


PIXEL_GAIN = 4.0  # brings pixels of standard deviation about 1/4 to about 1


HYPER_GAIN = 2.0  # initial ratio of z to its features


LOG_SIGMA_POSTERIOR = -1.2  # initial: about the standard deviation of a unit box


UNIT_BOX_VARIANCE = 1.0 / 12.0


"""Added to a bound's prior variance of y, as the unit box widens a codec's: the
hyper-synthesis then means the same by a scale in both forms."""


# MSE at λ asks for steps of Δ² = 12·3 / (2·ln 2·λ) in an orthonormal transform
# of RGB on 0–255 (reverse water-filling, uniform quantizer): the unit of y.
_STEP = (18.0 / LN2) ** 0.5


_LEVELS_PER_FEATURE = 255.0 / PIXEL_GAIN


def latent_unit(lmbda: jax.Array | float, mse_per_unit: float = 1.0) -> jax.Array:
    """Units of a latent in one feature: pixel levels over the step that MSE at λ asks for.

    (255/4) / √(18 / (ln 2·λ)), proportional to √λ; ``mse_per_unit`` is the λ of MSE that
    one unit of λ is worth.
    """
    lmbda = mse_per_unit * jnp.asarray(lmbda, jnp.float32)
    return _LEVELS_PER_FEATURE / _STEP * jnp.sqrt(lmbda)


def scaled_prior(
    form: str, mu: jax.Array, log_sigma: jax.Array, unit: jax.Array | float
) -> Gaussian:
    """Means μ̂ and log-scales in the unit of features → the Gaussian of a form.

    With u the ``unit``, means become u·μ̂ and scales u·σ̂. A codec's scale is at least
    0.11, a bound's variance is u²σ̂² + 1/12: the width that a codec's unit box adds by
    itself.
    """
    log_sigma = log_sigma + jnp.log(unit)
    if form == "codec":
        # The channel adds the unit box; see also the bound's variance.
        return Gaussian(mu * unit, lower_bound(log_sigma, jnp.log(SCALE_BOUND)))
    log_sigma = 0.5 * jnp.logaddexp(2.0 * log_sigma, jnp.log(UNIT_BOX_VARIANCE))
    return Gaussian(mu * unit, log_sigma)


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


class Stack(nnx.Module):
    """Residual blocks at one resolution, each modulated by the rate where it varies."""

    def __init__(self, width: int, depth: int, embedding: int, *, dtype, rngs: nnx.Rngs):
        self.blocks = nnx.List(
            [FasterBlock(width, embedding, dtype=dtype, rngs=rngs) for _ in range(depth)]
        )

    def __call__(self, x: jax.Array, e: jax.Array | None) -> jax.Array:
        """[H, W, width] → [H, W, width]."""
        for block in self.blocks:
            x = block(x, e)
        return x


class Ladder(nnx.Module):
    """Alternating resamplings and stacks: an analysis, a synthesis or their hyper twins.

    The resamplings are linear and the stacks start at the identity, so that an
    untrained ladder is a linear transform: see :mod:`rdbound.models.klt_init`.
    """

    def __init__(self, resamplings, stacks):
        self.resamplings = nnx.List(resamplings)
        self.stacks = nnx.List(stacks)

    def __call__(self, x: jax.Array, e: jax.Array | None) -> jax.Array:
        """Resample, transform, and so on."""
        for resample, stack in zip(self.resamplings, self.stacks, strict=True):
            x = stack(resample(x), e)
        return x


class Hyperprior(nnx.Module):
    """The weights of a model with z at stride 64 and y at stride 16, and what is done with them.

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
      seed: of the initial weights.
      mse_per_unit: the λ of MSE on 0–255 that one unit of λ is worth, from which y has
        its unit: 1 for squared error, about 1/1270 for 1 − MS-SSIM (its usual λ of
        2.4 … 220 stand beside 0.0018 … 0.18, Bégaint et al. 2020).

    Raises ValueError for an unknown size or form, or a ``latent`` that is no
    positive multiple of four.
    """

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
        self.lmbda_range = tuple(lmbda_range)
        self.compute = compute
        self.size = _sized(size, latent)
        self.mse_per_unit = float(mse_per_unit)
        dtype = jnp.dtype(compute)
        e = RATE_WIDTH if lmbda_range[0] < lmbda_range[1] else 0
        rngs = nnx.Rngs(seed)
        self.embedding = RateEmbedding(self.lmbda_range, e, rngs=rngs) if e else None
        self._build_transforms(e, dtype, rngs)
        self._build_hyper(e, dtype, rngs)
        self._start_from_klt()
        self.top = FactorizedPrior(self.size.hyper, form, HYPER_GAIN)
        self._build_context(e, dtype, seed)

    def _build_transforms(self, e, dtype, rngs):
        (a, b, c), depths, m = self.size.widths, self.size.depths, self.size.latent
        stack = lambda i, w: Stack(w, depths[i], e, dtype=dtype, rngs=rngs)  # noqa: E731
        kw = {"dtype": dtype, "rngs": rngs}
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

    def _start_from_klt(self):
        """Make the linear path a transform codec; see :mod:`rdbound.models.klt_init`."""
        m = self.size.latent
        steps = klt_init.stages((4, 2, 2), self.size.widths)
        ins = (3, *self.size.widths[:2])
        downs = self.analysis.resamplings
        ups = (self.to_x, *reversed(self.synthesis.resamplings[1:]))
        for stage, down, up, width in zip(steps, downs, ups, ins, strict=True):
            down.dense.kernel[...] = klt_init.down_kernel(down.dense.kernel[...], stage, width)
            up.dense.kernel[...] = klt_init.up_kernel(up.dense.kernel[...], stage, width)
        root = np.sqrt(steps[-1].std)
        rank = min(m, len(root))
        self.to_y.kernel[...] = (
            jnp.zeros_like(self.to_y.kernel[...]).at[:rank, :rank].set(np.diag(root[:rank]))
        )
        from_y = self.synthesis.resamplings[0].dense.kernel
        undo = np.eye(rank, len(root)) / root
        from_y[...] = from_y[...].at[:rank].set(0.0).at[:rank, : len(root)].set(undo)
        log_std = 2.0 * np.log(root[:rank])
        self.to_prior.bias[...] = self.to_prior.bias[...].at[m : m + rank].set(log_std)

    def _build_hyper(self, e, dtype, rngs):
        m, n = self.size.latent, self.size.hyper
        stack = lambda: Stack(n, 1, e, dtype=dtype, rngs=rngs)  # noqa: E731
        kw = {"dtype": dtype, "rngs": rngs}
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

    def _build_context(self, e, dtype, seed):
        """What a context model adds; its random numbers are its own."""

    def embed(self, lmbda: jax.Array | float) -> jax.Array | None:
        """The embedding of log λ, [32]; None in fixed-rate models."""
        if self.embedding is None:
            return None
        return self.embedding(jnp.asarray(lmbda, jnp.float32))

    def scale(self, lmbda: jax.Array | float) -> jax.Array:
        """Units of y in one feature: :func:`latent_unit`."""
        return latent_unit(lmbda, self.mse_per_unit)

    def _gain(self, modulation, x, e):
        return modulation(x, jnp.zeros((1,)) if e is None else e)

    def posteriors(self, x: jax.Array, lmbda: jax.Array) -> tuple[Gaussian, Gaussian]:
        """Image [H, W, 3] in [0, 1] → posteriors of z [H/64, W/64, N] and y [H/16, W/16, M]."""
        e = self.embed(lmbda)
        features = self.analysis(PIXEL_GAIN * (x - 0.5), e).astype(jnp.float32)
        mu, log_sigma = jnp.split(self.to_y(features), 2, axis=-1)
        mu = self._gain(self.gain_out, mu, e) * self.scale(lmbda)
        y = Gaussian(mu, log_sigma + LOG_SIGMA_POSTERIOR)
        top = self.to_z(self.hyper_analysis(features, e).astype(jnp.float32))
        z_mu, z_log_sigma = jnp.split(top, 2, axis=-1)
        return Gaussian(HYPER_GAIN * z_mu, z_log_sigma + LOG_SIGMA_POSTERIOR), y

    def hyper_features(self, z: jax.Array, e: jax.Array | None) -> jax.Array:
        """Z [H/64, W/64, N] → [H/16, W/16, N], float32.

        ``e`` is the embedding of log λ, None in fixed-rate models.
        """
        return self.hyper_synthesis(z / HYPER_GAIN, e).astype(jnp.float32)

    def prior_of_y(self, mu: jax.Array, log_sigma: jax.Array, lmbda: jax.Array) -> Gaussian:
        """:func:`scaled_prior` of this form, in the unit of y."""
        return scaled_prior(self.form, mu, log_sigma, self.scale(lmbda))

    def image(self, y: jax.Array, lmbda: jax.Array) -> jax.Array:
        """Y [H/16, W/16, M] → image [H, W, 3], real-valued."""
        e = self.embed(lmbda)
        y = self._gain(self.gain_in, y / self.scale(lmbda), e)
        return self.to_x(self.synthesis(y, e).astype(jnp.float32)) / PIXEL_GAIN + 0.5


class ResHyper(Hyperprior):
    """Two levels: z (stride 64, conveyed first) and y (stride 16).

    Args: as :class:`rdbound.models.hyperprior.Hyperprior`.
    """

    def infer(self, x: jax.Array, lmbda: jax.Array) -> tuple[Gaussian, Gaussian]:
        """Image [H, W, 3] in [0, 1] → posteriors of z [H/64, W/64, N] and y [H/16, W/16, M]."""
        return self.posteriors(x, lmbda)

    def prior(self, level: int, latents: Sequence[jax.Array], lmbda: jax.Array) -> Prior:
        """Level 0: p(z), [N] per channel. Level 1: p(y | z), [H/16, W/16, M]."""
        if level == 0:
            return self.top()
        h = self.hyper_features(latents[0], self.embed(lmbda))
        mu, log_sigma = jnp.split(self.to_prior(h), 2, axis=-1)
        return self.prior_of_y(mu, log_sigma, lmbda)

    def synthesize(self, latents: Sequence[jax.Array], lmbda: jax.Array) -> jax.Array:
        """Latents (z, y) → image [H, W, 3], real-valued."""
        return self.image(latents[1], lmbda)
