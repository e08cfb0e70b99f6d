"""Res-context: Res-hyper whose y is conveyed in four steps, each seeing those before it.

The steps are those of the intra model of DCVC-DC (Li, Li & Lu 2023,
arXiv 2302.14402, §3.3), as in the largest model of Zhang & Liu 2025. With channel
quarters g = 0 … 3 and position classes p = 2·(row parity) + (column parity), step s
conveys quarter g = p XOR STEPS[s] at every position:

    step 0        step 1        step 2        step 3
    0 1 0 1       3 2 3 2       2 3 2 3       1 0 1 0
    2 3 2 3       1 0 1 0       0 1 0 1       3 2 3 2

so that each step covers the whole picture and after four all channels are known.
Each step's divergence is analytic given the samples of the steps before it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rdbound.models.hyperprior import Hyperprior
from rdbound.models.layers import DepthwiseBlock, Linear, Moments, leaky_relu
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.extent_mask import Extent

__all__ = ["STEPS", "ResContext", "gather", "scatter"]

STEPS = (0, 3, 2, 1)
"""Step s conveys channel quarter g = p XOR STEPS[s] at positions of class p."""


def _quarter(shape: tuple[int, ...], step: int) -> jax.Array:
    """The quarter conveyed at each position, [H, W]; p = 2·(row parity) + (column parity)."""
    row, column = jnp.arange(shape[0]) % 2, jnp.arange(shape[1]) % 2
    return (2 * row[:, None] + column) ^ STEPS[step]


def gather(y: jax.Array, step: int) -> jax.Array:
    """[H, W, M] → [H, W, M/4]: at each position the channels that ``step`` conveys."""
    h, w, m = y.shape
    which = jnp.broadcast_to(_quarter(y.shape, step)[..., None], (h, w, m // 4))
    return jax.lax.select_n(which, *jnp.split(y, 4, axis=-1))


def scatter(part: jax.Array, step: int) -> jax.Array:
    """[H, W, M/4] → [H, W, M]: the channels of ``step`` in their places, zeros elsewhere."""
    which = _quarter(part.shape, step)[..., None]
    return jnp.concatenate([jnp.where(which == g, part, 0.0) for g in range(4)], axis=-1)


class Context(nnx.Module):
    """What steps 1–3 add to the moments that the hyper-synthesis proposes.

    The samples so far and the common features through a 1×1 layer of the
    step's own, then a network that the steps share. The samples enter as what
    they differ by from the hyper-synthesis's means, so that zero, where nothing
    is known yet, says nothing. Begins as zero: a Res-context starts as the
    Res-hyper of its size.
    """

    def __init__(self, latent: int, hyper: int, embedding: int, *, dtype, rngs: nnx.Rngs):
        kw = {"dtype": dtype, "rngs": rngs}
        wide, narrow = 3 * hyper, 2 * hyper
        self.common = Linear(hyper, wide, **kw)
        self.own = nnx.List([Linear(latent + wide, wide, **kw) for _ in STEPS[1:]])
        self.blocks = nnx.List(
            [
                DepthwiseBlock(a, b, embedding, **kw)
                for a, b in ((wide, wide), (wide, narrow), (narrow, narrow))
            ]
        )
        zeros = nnx.initializers.zeros
        self.moments = Moments(narrow, 2 * latent, kernel_init=zeros, rngs=rngs)

    def features(self, h: jax.Array) -> jax.Array:
        """Common features [H, W, 3N] of the hyper-synthesis's [H, W, N]."""
        return leaky_relu(self.common(h))

    def __call__(
        self,
        step: int,
        known: jax.Array,
        common: jax.Array,
        e: jax.Array | None,
        extent: Extent | None = None,
    ) -> jax.Array:
        """Innovations known so far [H, W, M] and common features → moments [H, W, 2M]."""
        x = self.own[step - 1](jnp.concatenate([known, common], axis=-1))
        for block in self.blocks:
            x = block(x, e, extent)
        return self.moments(x.astype(jnp.float32))


class ContextFeatures(NamedTuple):
    """What the decoder holds once z is known.

    Attributes:
      moments: [H/16, W/16, 2M], those that the hyper-synthesis proposes.
      common: common features [H/16, W/16, 3N].
      known: y conveyed so far [H/16, W/16, M], zeros where nothing is.
      innovation: the same, less what the hyper-synthesis proposed, in its unit.
    """

    moments: jax.Array
    common: jax.Array
    known: jax.Array
    innovation: jax.Array


class ContextState(NamedTuple):
    """The decoder's state.

    Attributes:
      lmbda: λ.
      e: the embedding of log λ; None in fixed-rate models.
      extent: the size of the image in its array; None if it fills it.
      after_z: features of z and the steps so far; None before z.
    """

    lmbda: jax.Array
    e: jax.Array | None
    extent: Extent | None = None
    after_z: ContextFeatures | None = None


class ResContext(Hyperprior):
    """Five levels: z, then y in four dense steps of M/4 channels at every position.

    Args: as :class:`rdbound.models.hyperprior.Hyperprior`.

    Step 0 has its prior from the hyper-synthesis alone; steps 1–3 also from the
    samples before them. Weights go by the names they have in Res-hyper, beside
    those of ``context``: training can start from a Res-hyper.
    """

    def _build_context(self, e, dtype, seed):
        self.context = Context(
            self.size.latent, self.size.hyper, e, dtype=dtype, rngs=nnx.Rngs(seed + 1)
        )

    def infer(
        self, x: jax.Array, lmbda: jax.Array, extent: Extent | None = None
    ) -> tuple[Gaussian, ...]:
        """Image [H, W, 3] → posteriors of z [H/64, W/64, N] and of the steps [H/16, W/16, M/4]."""
        z, y = self.posteriors(x, lmbda, extent)
        steps = [Gaussian(gather(y.mu, s), gather(y.log_sigma, s)) for s in range(len(STEPS))]
        return (z, *steps)

    def start(self, lmbda: jax.Array, extent: Extent | None = None) -> ContextState:
        """Return the state before z."""
        return ContextState(jnp.asarray(lmbda, jnp.float32), self.embed(lmbda), extent)

    def posterior(self, level: int, state: ContextState, variational: Gaussian) -> Gaussian:
        """The variational parameters itself."""
        return variational

    def prior(self, level: int, state: ContextState) -> Prior:
        """Level 0: p(z), [N] per channel. Level 1 + s: p(step s | z, steps before)."""
        if state.after_z is None:
            return self.top()
        step, (moments, common, _, innovation) = level - 1, state.after_z
        if step:
            moments = moments + self.context(step, innovation, common, state.e, state.extent)
        mu, log_sigma = (gather(half, step) for half in jnp.split(moments, 2, axis=-1))
        return self.prior_of_y(mu, log_sigma, state.lmbda)

    def absorb(self, level: int, state: ContextState, latent: jax.Array) -> ContextState:
        """After z its features, after a step its samples."""
        held = state.after_z
        if held is None:
            h = self.hyper_features(latent, state.e, state.extent)
            zeros = jnp.zeros((*h.shape[:2], self.size.latent), jnp.float32)
            held = ContextFeatures(self.to_prior(h), self.context.features(h), zeros, zeros)
            return state._replace(after_z=held)
        step, mu = level - 1, jnp.split(held.moments, 2, axis=-1)[0]
        new = latent / self.scale(state.lmbda) - gather(mu, step)
        held = held._replace(
            known=held.known + scatter(latent, step),
            innovation=held.innovation + scatter(new, step),
        )
        return state._replace(after_z=held)

    def synthesize(self, state: ContextState) -> jax.Array:
        """The state after all steps → image [H, W, 3], real-valued."""
        assert state.after_z is not None
        return self.image(state.after_z.known, state.lmbda, state.extent)
