"""Res-context: Res-hyper whose y is conveyed in four steps, each seeing those before it.

The steps are those of the intra model of DCVC-DC (Li, Li & Lu 2023,
arXiv 2302.14402, §3.3), as in the largest model of Zhang & Liu 2025. With channel
quarters g = 0 … 3 and position classes p = 2·(row parity) + (column parity), step s
conveys quarter g = p XOR STEPS[s] at every position:

    step 0        step 1        step 2        step 3
    0 1 0 1       3 2 3 2       2 3 2 3       1 0 1 0
    2 3 2 3       1 0 1 0       0 1 0 1       3 2 3 2

so that each step covers the whole picture and after four all channels are known.
Each step's KL divergence is analytic given the samples of the steps before it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, ScalarLike

from rdbound.models.base import Embedding, StartState
from rdbound.models.hyperprior import Hyperprior
from rdbound.models.latent_units import RATE_WIDTH, Compute, Unit
from rdbound.models.layers import DepthwiseBlock, Linear, Moments, leaky_relu
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.extent_mask import Extent

__all__ = ["STEPS", "ResContext", "gather", "scatter"]

STEPS = (0, 3, 2, 1)
"""Step s conveys channel quarter g = p XOR STEPS[s] at positions of class p."""


def _quarter(shape: tuple[int, ...], step: int) -> Int[Array, "h w"]:
    """Return the quarter of each position, [H, W]; p = 2·(row parity) + (column parity)."""
    row, column = jnp.arange(shape[0]) % 2, jnp.arange(shape[1]) % 2
    return (2 * row[:, None] + column) ^ STEPS[step]


def gather(y: Float[Array, "h w m"], step: int) -> Float[Array, "h w m//4"]:
    """Return at each position the channels that ``step`` conveys, [H, W, M] → [H, W, M/4]."""
    h, w, m = y.shape
    which = jnp.broadcast_to(_quarter(y.shape, step)[..., None], (h, w, m // 4))
    return jax.lax.select_n(which, *jnp.split(y, 4, axis=-1))


def scatter(part: Float[Array, "h w q"], step: int) -> Float[Array, "h w 4*q"]:
    """Put the channels of ``step`` in their places among zeros, [H, W, M/4] → [H, W, M]."""
    which = _quarter(part.shape, step)[..., None]
    return jnp.concatenate([jnp.where(which == g, part, 0.0) for g in range(4)], axis=-1)


class Context(nnx.Module):
    """The network that corrects the moments of the hyper-synthesis in steps 1–3.

    The samples so far and the common features go through a 1×1 layer of each step,
    then through a network that the steps share. The samples enter as their difference from the
    hyper-synthesis's means, zero at positions that are not known yet. The corrections begin at
    zero: a Res-context starts as the Res-hyper of its size.
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

    def features(self, h: Float[Array, "h w n"]) -> Float[Array, "h w 3*n"]:
        """Return common features [H, W, 3N] of the hyper-synthesis's [H, W, N]."""
        return leaky_relu(self.common(h))

    def __call__(
        self,
        step: int,
        known: Float[Array, "h w m"],
        common: Float[Array, "h w c"],
        e: Embedding,
        extent: Extent | None = None,
    ) -> Float[Array, "h w 2*m"]:
        """Return the correction of the moments, [H, W, 2M].

        Args:
          step: 1, 2 or 3.
          known: innovations of the steps before, [H, W, M].
          common: common features, [H, W, 3N].
          e: the embedding of log λ.
          extent: the size of the image in its array; None if it fills it.
        """
        x = self.own[step - 1](jnp.concatenate([known, common], axis=-1))
        for block in self.blocks:
            x = block(x, e, extent)
        return self.moments(x.astype(jnp.float32))


class ContextState(NamedTuple):
    """The decoder's state once z is known.

    Attributes:
      start: λ, its embedding and the extent of the image.
      moments: moments of y that the hyper-synthesis proposes, [H/16, W/16, 2M].
      common: common features, [H/16, W/16, 3N].
      known: y conveyed so far, [H/16, W/16, M], zeros elsewhere.
      innovation: the same less the proposed means, in the unit of features.
    """

    start: StartState
    moments: Float[Array, "h w 2*m"]
    common: Float[Array, "h w c"]
    known: Float[Array, "h w m"]
    innovation: Float[Array, "h w m"]


class ResContext(Hyperprior):
    """Five levels: z, then y in four dense steps of M/4 channels at every position.

    Its arguments are those of :class:`rdbound.models.hyperprior.Hyperprior`.

    Step 0 has its prior from the hyper-synthesis alone; steps 1–3 also from the
    samples before them. Weights go by the names they have in Res-hyper, beside
    those of ``context``: training can start from a Res-hyper.
    """

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
        super().__init__(
            size=size,
            form=form,
            lmbda_range=lmbda_range,
            latent=latent,
            compute=compute,
            seed=seed,
            mse_per_unit=mse_per_unit,
        )
        e = 0 if self.embedding is None else RATE_WIDTH
        # Random numbers of its own: the other weights are those of the Res-hyper.
        rngs = nnx.Rngs(seed + 1)
        self.context = Context(
            self.size.latent, self.size.hyper, e, dtype=jnp.dtype(compute), rngs=rngs
        )

    def infer(
        self, x: Float[Array, "h w 3"], lmbda: ScalarLike, extent: Extent | None = None
    ) -> tuple[Gaussian, ...]:
        """Return the posteriors of z [H/64, W/64, N] and of the steps [H/16, W/16, M/4]."""
        z, y = self.posteriors(x, lmbda, extent)
        steps = [Gaussian(gather(y.mu, s), gather(y.log_sigma, s)) for s in range(len(STEPS))]
        return (z, *steps)

    def start(self, lmbda: ScalarLike, extent: Extent | None = None) -> StartState:
        """Return the state before z."""
        return StartState(jnp.asarray(lmbda, jnp.float32), self.embed(lmbda), extent)

    def posterior(
        self, level: int, state: StartState | ContextState, variational: Gaussian
    ) -> Gaussian:
        """Return the variational parameters, which are the posterior."""
        return variational

    def prior(self, level: int, state: StartState | ContextState) -> Prior:
        """Return p(z), [N] per channel, or p(step | z, steps before), [H/16, W/16, M/4]."""
        if isinstance(state, StartState):
            return self.top()
        step, moments, start = level - 1, state.moments, state.start
        if step:
            moments = moments + self.context(
                step, state.innovation, state.common, start.e, start.extent
            )
        mu, log_sigma = (gather(half, step) for half in jnp.split(moments, 2, axis=-1))
        return self.prior_of_y(mu, log_sigma, start.lmbda)

    def absorb(
        self, level: int, state: StartState | ContextState, latent: Float[Array, "h w c"]
    ) -> ContextState:
        """Return the state after z or after a step."""
        if isinstance(state, StartState):
            h = self.hyper_features(latent, state.e, state.extent)
            zeros = jnp.zeros((*h.shape[:2], self.size.latent), jnp.float32)
            return ContextState(state, self.to_prior(h), self.context.features(h), zeros, zeros)
        step, mu = level - 1, jnp.split(state.moments, 2, axis=-1)[0]
        new = latent / self.scale(state.start.lmbda) - gather(mu, step)
        return state._replace(
            known=state.known + scatter(latent, step),
            innovation=state.innovation + scatter(new, step),
        )

    def synthesize(self, state: ContextState) -> Float[Array, "h w 3"]:
        """Return the image [H, W, 3], real-valued, of the state after all steps."""
        return self.image(state.known, state.start.lmbda, state.start.extent)
