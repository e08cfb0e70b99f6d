"""ResNet-VAE: a hierarchy of latents at strides 64 to 4, inferred from both directions.

After Duan et al. 2023 (arXiv 2302.08899) and Yang & Mandt 2022 (arXiv 2111.12166).
The encoder goes up once, from the image to features at every stride; then encoder and decoder
come down together, level by level, with a state h:

    prior of level l      N(μ̂, σ̂²) from h                     known to both
    posterior of level l  N(μ, σ²) from h and the features     known to the encoder
    state after it        h + what the latent says, through residual blocks;
                          twice as fine where the next level is

Every divergence is analytic given the samples above. In a codec the same latents are
rounded around μ̂: what a hierarchy pays for that is a result in itself.

Untrained, it is a transform codec too (:mod:`rdbound.models.klt_init`): the levels at stride
16 convey the components of a 16×16 block, the largest first; those above say nothing to
the picture yet, and those below are all but silent until training opens them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from pydantic import validate_call

from rdbound.models import klt_init
from rdbound.models.factorized_prior import FactorizedPrior, check_form
from rdbound.models.hyperprior import (
    HYPER_GAIN,
    LOG_SIGMA_POSTERIOR,
    PIXEL_GAIN,
    RATE_WIDTH,
    Compute,
    Stack,
    Unit,
    latent_unit,
    scaled_prior,
)
from rdbound.models.layers import Down, FasterBlock, Linear, Moments, RateEmbedding, Up
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.utils.registry import OPTIONS

__all__ = [
    "FINEST",
    "HIERARCHIES",
    "HierarchyState",
    "Level",
    "LevelGroup",
    "ResNetVAE",
    "of_scale",
    "set_bias",
    "smooth_log",
]


@dataclass(frozen=True)
class LevelGroup:
    """The levels of one stride.

    Attributes:
      width: channels of state and features, a multiple of four.
      levels: how many.
      latent: channels of each.
      up, down: residual blocks of the encoder's way up, and after each level on the way down.
    """

    width: int
    levels: int
    latent: int
    up: int
    down: int


FINEST = 4
"""Stride of the last group; each group before it has twice the stride of the next."""

_TRANSFORM = 16  # the stride whose levels begin with the components of blocks

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


def smooth_log(v: jax.Array) -> jax.Array:
    """The logarithm of a smooth scale, for log-scales that grow slowly where ``v`` is large.

    The scale is softplus with β = ln 2 (Duan et al. 2023), log₂(1 + 2^v): 1 at v = 0, about
    1.44·2^v far below, v far above, so that a step of training never multiplies a large
    scale. Returned is its natural logarithm, of any ``v`` finite.
    """
    ln2 = jnp.log(2.0)
    # softplus itself underflows where its logarithm is simply v·ln 2.
    scale = jax.nn.softplus(jnp.maximum(v, -60.0) * ln2) / ln2
    return jnp.where(v < -60.0, v * ln2 - jnp.log(ln2), jnp.log(scale))


def of_scale(sigma: np.ndarray | float) -> np.ndarray:
    """The ``v`` whose smooth scale is ``sigma``."""
    return np.log2(np.expm1(np.asarray(sigma) * np.log(2.0)))


_V_POSTERIOR = float(of_scale(np.exp(LOG_SIGMA_POSTERIOR)))
_V_SILENT = -4.0  # of priors that begin at about the scale of their posteriors


def set_bias(head: Moments, where: slice | np.ndarray, value: np.ndarray | float) -> None:
    """Set entries of the bias of ``head``."""
    bias = head.bias
    assert bias is not None
    bias[...] = bias[...].at[where].set(value)


class LevelParameters(NamedTuple):
    """What the encoder knows of one level.

    Attributes:
      features: of the image at the level's stride, [h, w, width].
      mu, log_sigma: added to the posterior's, [h, w, latent]; zero as inferred, for
        refinement to move.
    """

    features: jax.Array
    mu: jax.Array
    log_sigma: jax.Array


class HierarchyState(NamedTuple):
    """What the decoder holds: λ, its embedding (None in fixed-rate models), and h after level 0."""

    lmbda: jax.Array
    e: jax.Array | None
    h: jax.Array | None = None


class Level(nnx.Module):
    """The weights of one level.

    Args:
      group: its own.
      embedding: width of that of log λ.
      finer: width of the next level where that is at half the stride, else None.
      first: whether nothing was conveyed before: no state, and a density of its own.
    """

    def __init__(
        self,
        group: LevelGroup,
        embedding: int,
        finer: int | None,
        first: bool,
        *,
        dtype,
        rngs: nnx.Rngs,
    ):
        width = group.width
        kw: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        zeros = nnx.initializers.zeros
        small = nnx.initializers.variance_scaling(0.1, "fan_in", "normal")
        self.width, self.latent = width, group.latent
        self.look = Linear(width, width, **kw)
        self.from_state = None if first else Linear(width, width, kernel_init=zeros, **kw)
        self.join = FasterBlock(width, embedding, **kw)
        self.to_posterior = Moments(width, 2 * group.latent, rngs=rngs)
        self.to_prior = (
            None if first else Moments(width, 2 * group.latent, kernel_init=zeros, rngs=rngs)
        )
        self.tell = Linear(group.latent, width, kernel_init=small, **kw)
        self.after = Stack(width, group.down, embedding, **kw)
        self.finer = None if finer is None else Up(width, finer, 2, **kw)
        kernel = self.to_posterior.kernel
        kernel[...] = kernel[...].at[:, self.latent :].set(0.0)
        set_bias(self.to_posterior, slice(self.latent, None), _V_POSTERIOR)

    def start_as(self, first: int, root: np.ndarray) -> None:
        """Convey as many components, from the ``first`` on, of features that are theirs.

        Features are components over ``root`` [r], the root of their standard deviation;
        the latent is the component itself.
        """
        own = np.arange(first, min(first + self.latent, len(root)))
        place = own - first
        self.look.kernel[...] = jnp.eye(self.width)
        means = jnp.zeros_like(self.to_posterior.kernel[...])
        self.to_posterior.kernel[...] = means.at[own, place].set(root[own])
        says = jnp.zeros_like(self.tell.kernel[...])
        self.tell.kernel[...] = says.at[place, own].set(1.0 / root[own])
        assert self.to_prior is not None
        set_bias(self.to_prior, self.latent + place, of_scale(root[own] ** 2))

    def start_silent(self) -> None:
        """See what the state lacks of the features, and say next to nothing of it."""
        assert self.from_state is not None
        assert self.to_prior is not None
        one = jnp.eye(self.width)
        self.look.kernel[...], self.from_state.kernel[...] = one, -one
        for kernel in (self.to_posterior.kernel, self.tell.kernel):
            kernel[...] = 0.1 * kernel[...]
        set_bias(self.to_prior, slice(self.latent, None), _V_SILENT)

    def moments(self, state: Any, features: jax.Array, e: jax.Array | None):
        """(means, log-scales) of the posterior: means in the unit of features, [h, w, latent]."""
        x = features if self.from_state is None else features + self.from_state(state)
        found = self.to_posterior(self.join(x, e).astype(jnp.float32))
        mu, v = jnp.split(found, 2, axis=-1)
        return mu, smooth_log(v)

    def expectation(self, state: jax.Array):
        """(means, log-scales) of the prior, in the unit of features, [h, w, latent]."""
        assert self.to_prior is not None
        mu, v = jnp.split(self.to_prior(state.astype(jnp.float32)), 2, axis=-1)
        return mu, smooth_log(v)

    def told(self, state: jax.Array | None, latent: jax.Array, e: jax.Array | None) -> jax.Array:
        """The state after the latent, at the stride of the next level."""
        h = self.tell(latent)
        h = self.after(h if state is None else state + h, e)
        return h if self.finer is None else self.finer(h)


class ResNetVAE(nnx.Module):
    """Levels at the strides 64, 32, 16, 8 and 4, two or more at each.

    Args:
      size: a key of :data:`HIERARCHIES`.
      form: ``bound``: every posterior and prior Gaussian; ``codec``: the priors' scales
        are bounded below, and the first level's density is a mixture per channel.
      lmbda_range: (low, high) of a variable-rate model, whose blocks are modulated by an
        embedding of log λ; low = high for a fixed rate.
      compute: ``float32`` or ``bfloat16``, the type of the blocks' arithmetic.
      seed: of the initial weights.
      mse_per_unit: see :class:`rdbound.models.hyperprior.Hyperprior`.

    Raises ValueError for an unknown size or form.
    """

    framed = True  # every layer that looks aside is confined
    hierarchies = HIERARCHIES
    finest = FINEST
    outputs = 3  # numbers a pixel that the decoder ends in
    # The linear path: the picture itself goes by it.
    precise = ("rise", "look", "from_state", "to_posterior", "tell", "finer", "to_x")

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
        if size not in self.hierarchies:
            known = ", ".join(self.hierarchies)
            raise ValueError(f"unknown size {size!r}: choose one of {known}")
        groups = self.hierarchies[size]
        self.form = check_form(form)
        self.lmbda_range = tuple(lmbda_range)
        self.compute = compute
        self.mse_per_unit = float(mse_per_unit)
        self.strides = tuple(self.finest * 2**k for k in reversed(range(len(groups))))
        self.stride = self.strides[0]
        e = RATE_WIDTH if lmbda_range[0] < lmbda_range[1] else 0
        rngs = nnx.Rngs(seed)
        self.embedding = RateEmbedding(self.lmbda_range, e, rngs=rngs) if e else None
        kw = {"dtype": jnp.dtype(compute), "rngs": rngs}
        self._build_up(groups, e, kw)
        self._build_down(groups, e, kw)
        self.top = FactorizedPrior(self.levels[0].latent, form, HYPER_GAIN)
        self._start_from_klt([group.width for group in groups])

    def _build_up(self, groups, e, kw):
        widths = [3, *(group.width for group in reversed(groups))]
        factors = (self.finest, *[2] * (len(groups) - 1))
        self.rise = nnx.List(
            [Down(a, b, f, **kw) for a, b, f in zip(widths[:-1], widths[1:], factors, strict=True)]
        )
        self.risen = nnx.List([Stack(group.width, group.up, e, **kw) for group in reversed(groups)])

    def _build_down(self, groups, e, kw):
        levels, group_of = [], []
        for place, group in enumerate(groups):
            for k in range(group.levels):
                last = k == group.levels - 1 and place + 1 < len(groups)
                finer = groups[place + 1].width if last else None
                levels.append(Level(group, e, finer, not levels, **kw))
                group_of.append(place)
        self.levels = nnx.List(levels)
        self.group_of = tuple(group_of)
        self.to_x = Up(groups[-1].width, self.outputs, self.finest, rngs=kw["rngs"])

    def _start_from_klt(self, widths):
        """Make the linear path a transform codec, by what its levels at stride 16 convey."""
        if self.stride <= _TRANSFORM:
            return
        steps = klt_init.stages((4, 2, 2), tuple(reversed(widths[-3:])))
        ups = [self.to_x, *(one.finer for one in reversed(self.levels[:-1]) if one.finer)]
        ins = (3, *reversed(widths[-2:]))
        for step, down, up, width in zip(steps, self.rise, ups, ins, strict=False):
            down.dense.kernel[...] = klt_init.down_kernel(down.dense.kernel[...], step, width)
            up.dense.kernel[...] = klt_init.up_kernel(up.dense.kernel[...], step, width)
        # What the levels above tell is to help the priors first.
        above = ups[3].dense.kernel
        above[...] = 0.1 * above[...]
        conveyed = 0
        for level, place in zip(self.levels, self.group_of, strict=True):
            if self.strides[place] == _TRANSFORM:
                level.start_as(conveyed, np.sqrt(steps[-1].std))
                conveyed += level.latent
            elif self.strides[place] < _TRANSFORM:
                level.start_silent()

    def _unit(self, level: int, lmbda: jax.Array | float) -> jax.Array | float:
        """Units of a latent in one feature: fixed above the transform, whose rate hardly varies."""
        coarse = level == 0 or self.strides[self.group_of[level]] > _TRANSFORM
        return HYPER_GAIN if coarse else latent_unit(lmbda, self.mse_per_unit)

    def _embed(self, lmbda: jax.Array | float) -> jax.Array | None:
        return None if self.embedding is None else self.embedding(jnp.asarray(lmbda, jnp.float32))

    def infer(self, x: jax.Array, lmbda: jax.Array) -> tuple[LevelParameters, ...]:
        """Image [H, W, 3] in [0, 1] → the variational parameters of each level, coarsest first."""
        e = self._embed(lmbda)
        h = PIXEL_GAIN * (x - 0.5)
        features: list[jax.Array] = []
        for down, stack in zip(self.rise, self.risen, strict=True):
            h = stack(down(h), e)
            features.insert(0, h)
        return tuple(
            self._variational(level, features[place])
            for level, place in zip(self.levels, self.group_of, strict=True)
        )

    def _variational(self, level: Level, features: jax.Array) -> LevelParameters:
        nothing = jnp.zeros((*features.shape[:2], level.latent), jnp.float32)
        return LevelParameters(level.look(features).astype(jnp.float32), nothing, nothing)

    def start(self, lmbda: jax.Array) -> HierarchyState:
        """Nothing conveyed."""
        return HierarchyState(jnp.asarray(lmbda, jnp.float32), self._embed(lmbda))

    def prior(self, level: int, state: HierarchyState) -> Prior:
        """Level 0: a density a channel, [latent]. Later ones: Gaussians from the state."""
        if state.h is None:
            return self.top()
        mu, log_sigma = self.levels[level].expectation(state.h)
        return scaled_prior(self.form, mu, log_sigma, self._unit(level, state.lmbda))

    def posterior(
        self, level: int, state: HierarchyState, variational: LevelParameters
    ) -> Gaussian:
        """From the state and the features of the level's stride."""
        mu, log_sigma = self.levels[level].moments(state.h, variational.features, state.e)
        unit = self._unit(level, state.lmbda)
        return Gaussian(unit * mu + variational.mu, log_sigma + variational.log_sigma)

    def absorb(self, level: int, state: HierarchyState, latent: jax.Array) -> HierarchyState:
        """The state with what the latent says."""
        latent = latent / self._unit(level, state.lmbda)
        return state._replace(h=self.levels[level].told(state.h, latent, state.e))

    def synthesize(self, state: HierarchyState) -> jax.Array:
        """The state after all levels → image [H, W, 3], real-valued."""
        assert state.h is not None
        return self.to_x(state.h.astype(jnp.float32)) / PIXEL_GAIN + 0.5
