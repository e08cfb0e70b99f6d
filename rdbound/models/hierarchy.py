"""A hierarchy of latents at several strides, inferred from both directions.

After Duan et al. 2023 (arXiv 2302.08899) and Yang & Mandt 2022 (arXiv 2111.12166).
The encoder goes up once, from the image to features at every stride; then encoder and decoder
come down together, level by level, with a state h:

    prior of level l      N(μ̂, σ̂²) from h                     known to both
    posterior of level l  N(μ, σ²) from h and the features     known to the encoder
    state after level l   h + a function of the latent, through residual blocks;
                          at half the stride if the next level is

Every KL divergence is analytic given the samples above.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, ScalarLike

from rdbound.models.base import Embedding, StartState, cells_reached
from rdbound.models.factorized_prior import FactorizedPrior, check_form
from rdbound.models.latent_units import (
    HYPER_GAIN,
    LOG_SIGMA_POSTERIOR,
    PIXEL_GAIN,
    RATE_WIDTH,
    Compute,
    of_scale,
    scaled_prior,
    smooth_log,
)
from rdbound.models.layers import (
    Down,
    FasterBlock,
    Linear,
    Moments,
    RateEmbedding,
    Stack,
    Up,
    set_bias,
)
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.extent_mask import Extent

__all__ = [
    "FirstLevel",
    "Hierarchy",
    "HierarchyState",
    "Level",
    "LevelGroup",
    "LevelParameters",
    "groups_of",
]


Features = Float[Array, "h w width"]
Latent = Float[Array, "h w latent"]
LevelMoments = tuple[Latent, Latent]


@dataclass(frozen=True)
class LevelGroup:
    """The levels of one stride.

    Attributes:
      width: channels of state and features, a multiple of four.
      levels: number of levels.
      latent: channels of each level's latent.
      up, down: residual blocks of the encoder's way up, and after each level on the way down.
    """

    width: int
    levels: int
    latent: int
    up: int
    down: int


def groups_of(hierarchies: dict[str, tuple[LevelGroup, ...]], size: str) -> tuple[LevelGroup, ...]:
    """Return the groups of a size, coarsest first; raise ValueError for an unknown size."""
    if size not in hierarchies:
        raise ValueError(f"unknown size {size!r}: choose one of {', '.join(hierarchies)}")
    return hierarchies[size]


_V_POSTERIOR = float(of_scale(np.exp(LOG_SIGMA_POSTERIOR)))


class LevelParameters(NamedTuple):
    """The variational parameters of one level.

    Attributes:
      features: features of the image at the level's stride, [h, w, width].
      mu, log_sigma: added to the posterior's, [h, w, latent]; zero as inferred, for
        refinement to move.
    """

    features: Features
    mu: Latent
    log_sigma: Latent


class HierarchyState(NamedTuple):
    """The decoder's state after a level.

    Attributes:
      start: λ, its embedding and the extent of the image.
      h: features at the stride of the next level, [h, w, width].
    """

    start: StartState
    h: Features


class FirstLevel(nnx.Module):
    """The first level, which no state and no prior network precede.

    Args:
      group: its group.
      embedding: width of the embedding of log λ; 0 for a fixed rate.
      finer: width of the next level if that is at half the stride, else None.
      dtype: type of the arithmetic.
      rngs: random streams of the initial weights.
    """

    def __init__(
        self, group: LevelGroup, embedding: int, finer: int | None, *, dtype: Any, rngs: nnx.Rngs
    ):
        width, kw = group.width, {"dtype": dtype, "rngs": rngs}
        self.width, self.latent = width, group.latent
        self.look = Linear(width, width, **kw)
        self.join = FasterBlock(width, embedding, **kw)
        self.to_posterior = _to_posterior(group, rngs)
        self.tell = _tell(group, kw)
        self.after = Stack(width, group.down, embedding, **kw)
        self.finer = None if finer is None else Up(width, finer, 2, **kw)

    def moments(self, features: Features, e: Embedding, extent: Extent | None) -> LevelMoments:
        """Return means and log-scales of the posterior in the unit of features, [h, w, latent]."""
        return _moments(self.to_posterior, self.join(features, e, extent))

    def absorb(self, latent: Latent, e: Embedding, extent: Extent | None) -> Float[Array, "_ _ _"]:
        """Return the features after the latent, at the stride of the next level."""
        h = self.after(self.tell(latent), e, extent)
        return h if self.finer is None else self.finer(h)


class Level(nnx.Module):
    """A level after the first; its arguments are those of :class:`FirstLevel`."""

    def __init__(
        self, group: LevelGroup, embedding: int, finer: int | None, *, dtype: Any, rngs: nnx.Rngs
    ):
        width, kw = group.width, {"dtype": dtype, "rngs": rngs}
        zeros = nnx.initializers.zeros
        self.width, self.latent = width, group.latent
        self.look = Linear(width, width, **kw)
        self.from_state = Linear(width, width, kernel_init=zeros, **kw)
        self.join = FasterBlock(width, embedding, **kw)
        self.to_posterior = _to_posterior(group, rngs)
        self.to_prior = Moments(width, 2 * group.latent, kernel_init=zeros, rngs=rngs)
        self.tell = _tell(group, kw)
        self.after = Stack(width, group.down, embedding, **kw)
        self.finer = None if finer is None else Up(width, finer, 2, **kw)

    def moments(
        self, h: Features, features: Features, e: Embedding, extent: Extent | None
    ) -> LevelMoments:
        """Return means and log-scales of the posterior in the unit of features, [h, w, latent]."""
        x = features + self.from_state(h)
        return _moments(self.to_posterior, self.join(x, e, extent))

    def prior_moments(self, h: Features) -> LevelMoments:
        """Return means and log-scales of the prior in the unit of features, [h, w, latent]."""
        return _moments(self.to_prior, h)

    def absorb(
        self, h: Features, latent: Latent, e: Embedding, extent: Extent | None
    ) -> Float[Array, "_ _ _"]:
        """Return the features after the latent, at the stride of the next level."""
        h = self.after(h + self.tell(latent), e, extent)
        return h if self.finer is None else self.finer(h)


def _to_posterior(group: LevelGroup, rngs: nnx.Rngs) -> Moments:
    """Return a head whose scales do not depend on its input at first."""
    head = Moments(group.width, 2 * group.latent, rngs=rngs)
    head.kernel[...] = head.kernel[...].at[:, group.latent :].set(0.0)
    set_bias(head, slice(group.latent, None), _V_POSTERIOR)
    return head


def _tell(group: LevelGroup, kw: dict[str, Any]) -> Linear:
    """Return the layer from a latent to the features."""
    small = nnx.initializers.variance_scaling(0.1, "fan_in", "normal")
    return Linear(group.latent, group.width, kernel_init=small, **kw)


def _moments(head: Moments, x: Features) -> LevelMoments:
    """Return means and log-scales, [h, w, latent] each."""
    mu, v = jnp.split(head(x.astype(jnp.float32)), 2, axis=-1)
    return mu, smooth_log(v)


class Hierarchy(nnx.Module):
    """The five methods that hierarchies share, and their weights.

    Abstract: a model adds ``unit`` and ``synthesize``, and an initialization.

    Args:
      groups: the levels, coarsest first.
      finest: stride of the last group; each group before it has twice the stride of the next.
      outputs: numbers that the decoder ends in for each pixel.
      form, lmbda_range, compute, seed, mse_per_unit: as in
        :class:`rdbound.models.resnet_vae.ResNetVAE`.

    Raises:
      ValueError: for an unknown form.
    """

    framed = True  # every layer that looks beside a place takes the extent
    precise = ("rise", "look", "from_state", "to_posterior", "tell", "finer", "to_x")

    def __init__(
        self,
        groups: tuple[LevelGroup, ...],
        finest: int,
        outputs: int,
        form: str,
        lmbda_range: Sequence[float],
        compute: Compute,
        seed: int,
        mse_per_unit: float,
    ):
        self.form = check_form(form)
        self.lmbda_range = (lmbda_range[0], lmbda_range[1])
        self.compute = compute
        self.mse_per_unit = float(mse_per_unit)
        self.strides = tuple(finest * 2**k for k in reversed(range(len(groups))))
        self.stride = self.strides[0]
        e = RATE_WIDTH if lmbda_range[0] < lmbda_range[1] else 0
        rngs = nnx.Rngs(seed)
        self.embedding = RateEmbedding(self.lmbda_range, e, rngs=rngs) if e else None
        kw: dict[str, Any] = {"dtype": jnp.dtype(compute), "rngs": rngs}
        widths = [3, *(group.width for group in reversed(groups))]
        factors = (finest, *[2] * (len(groups) - 1))
        self.rise = nnx.List(
            [Down(a, b, f, **kw) for a, b, f in zip(widths[:-1], widths[1:], factors, strict=True)]
        )
        self.risen = nnx.List([Stack(group.width, group.up, e, **kw) for group in reversed(groups)])
        self._build_levels(groups, e, kw)
        self.to_x = Up(groups[-1].width, outputs, finest, rngs=rngs)
        self.top = FactorizedPrior(groups[0].latent, form, HYPER_GAIN)
        path_up = [(g.up * s, s) for g, s in zip(groups, self.strides, strict=True)][::-1]
        down = max(g.down * s for g, s in zip(groups, self.strides, strict=True))
        self.reach = cells_reached(self.stride, path_up, [(max(down, self.stride), self.stride)])

    def _build_levels(self, groups: tuple[LevelGroup, ...], e: int, kw: dict[str, Any]) -> None:
        levels: list[Any] = []
        group_of = []
        for place, group in enumerate(groups):
            for k in range(group.levels):
                last = k == group.levels - 1 and place + 1 < len(groups)
                finer = groups[place + 1].width if last else None
                levels.append((Level if levels else FirstLevel)(group, e, finer, **kw))
                group_of.append(place)
        self.levels = nnx.List(levels)
        self.group_of = tuple(group_of)

    def _first(self) -> FirstLevel:
        return self.levels[0]

    def _later(self, level: int) -> Level:
        return self.levels[level]

    @abstractmethod
    def unit(self, level: int, lmbda: ScalarLike) -> Float[Array, ""] | float:
        """Return the units of a level's latent in one unit of its features."""

    def upsamplings(self) -> list[Up]:
        """Return the layers that halve the stride on the way down, the last first."""
        finer = [level.finer for level in reversed(self.levels[:-1]) if level.finer is not None]
        return [self.to_x, *finer]

    def _embed(self, lmbda: ScalarLike) -> Embedding:
        return None if self.embedding is None else self.embedding(jnp.asarray(lmbda, jnp.float32))

    def infer(
        self, x: Float[Array, "h w 3"], lmbda: ScalarLike, extent: Extent | None = None
    ) -> tuple[LevelParameters, ...]:
        """Return the variational parameters of each level of an image [H, W, 3] in [0, 1]."""
        e = self._embed(lmbda)
        h = PIXEL_GAIN * (x - 0.5)
        features: list[jax.Array] = []
        for down, stack in zip(self.rise, self.risen, strict=True):
            h = stack(down(h), e, extent)
            features.insert(0, h)
        return tuple(
            _variational(level, features[place])
            for level, place in zip(self.levels, self.group_of, strict=True)
        )

    def start(self, lmbda: ScalarLike, extent: Extent | None = None) -> StartState:
        """Return the state before the first level."""
        return StartState(jnp.asarray(lmbda, jnp.float32), self._embed(lmbda), extent)

    def prior(self, level: int, state: StartState | HierarchyState) -> Prior:
        """Return a density a channel, [latent], of level 0; of later ones a Gaussian."""
        if isinstance(state, StartState):
            return self.top()
        mu, log_sigma = self._later(level).prior_moments(state.h)
        return scaled_prior(self.form, mu, log_sigma, self.unit(level, state.start.lmbda))

    def posterior(
        self, level: int, state: StartState | HierarchyState, variational: LevelParameters
    ) -> Gaussian:
        """Return the posterior from the state and the features of the level's stride."""
        features = variational.features
        if isinstance(state, StartState):
            start = state
            mu, log_sigma = self._first().moments(features, start.e, start.extent)
        else:
            start = state.start
            mu, log_sigma = self._later(level).moments(state.h, features, start.e, start.extent)
        unit = self.unit(level, start.lmbda)
        return Gaussian(unit * mu + variational.mu, log_sigma + variational.log_sigma)

    def absorb(
        self, level: int, state: StartState | HierarchyState, latent: Latent
    ) -> HierarchyState:
        """Return the state after the level."""
        start = state if isinstance(state, StartState) else state.start
        latent = latent / self.unit(level, start.lmbda)
        if isinstance(state, StartState):
            h = self._first().absorb(latent, start.e, start.extent)
        else:
            h = self._later(level).absorb(state.h, latent, start.e, start.extent)
        return HierarchyState(start, h)


def _variational(level: FirstLevel | Level, features: Features) -> LevelParameters:
    """Return a level's amortized parameters."""
    still = jnp.zeros((*features.shape[:2], level.latent), jnp.float32)
    return LevelParameters(level.look(features).astype(jnp.float32), still, still)
