"""The one walk over the levels of a latent model.

The objective, the encoder, the decoder and the cost are its callers; they differ
in the step, which conveys one latent: through a channel, by a coder, or not at all.
The prior is p(z) = ∏ p(z_l | z_<l), and the order is always that of the decoder:

    prior of level l  →  step: latent l conveyed  →  state after it  →  level l + 1

So nothing an encoder uses is unknown to its decoder, and a latent is seen by
later levels as it was conveyed, noise or rounding included. For example, the
priors of all levels when every posterior's mean is conveyed:

    of = level_model(model)
    variational = of.infer(x, lmbda)

    def step(level, prior, state):
        mean = of.posterior(level, state, variational[level]).mu
        return mean, prior

    state, priors = walk(of, lmbda, len(variational parameters), step)
    x_hat = of.synthesize(state)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from rdbound.models.base import LevelModel, VariationalParameters, level_model, with_extent
from rdbound.ops.extent_mask import Extent

__all__ = ["Step", "Walked", "latent_shapes", "walk"]

Step = Callable[[int, Any, Any], tuple[Float[Array, "..."], Any]]
"""(level, prior, state) → (the latent as the decoder sees it, what the caller keeps of it)."""


class Walked(NamedTuple):
    """The ``state`` after the last level, and what the steps kept, one entry a level."""

    state: Any
    kept: tuple[Any, ...]


def walk(
    model: LevelModel, lmbda: Any, levels: int, step: Step, extent: Extent | None = None
) -> Walked:
    """For each level its prior, then ``step``, then the state after it.

    What synthesis makes of the last state is asked for by those who need it: an
    encoder does not.

    Args:
      model: six sides (:func:`rdbound.models.base.level_model`), of one datum, plain or compiled.
      lmbda: λ, scalar.
      levels: how many.
      step: conveys one latent; it may read from a stream or write to one, since
        levels are taken in order, each once.
      extent: the size of the image in its array; None if it fills it.

    The loop is Python's and short: under ``jit`` it is unrolled, and latents of
    different shapes need no padding.
    """
    state = with_extent(model.start, lmbda, extent)
    kept = []
    for level in range(levels):
        latent, information = step(level, model.prior(level, state), state)
        state = model.absorb(level, state, latent)
        kept.append(information)
    return Walked(state, tuple(kept))


def latent_shapes(model: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The shape of each level's latent for a datum of this shape; nothing is computed.

    ``shape`` is [H, W, C], multiples of the model's stride, or [n]. A decoder needs
    it: a factorized prior is the same at all positions and tells no number of them.
    """
    graphdef, state = nnx.split(model)

    def latents(state, x, lmbda):
        of = level_model(nnx.merge(graphdef, state))
        variational: VariationalParameters = of.infer(x, lmbda)

        def step(level, prior, state):
            mean = of.posterior(level, state, variational[level]).mu
            return mean, mean

        return walk(of, lmbda, len(variational), step).kept

    x, lmbda = (jax.ShapeDtypeStruct(s, jnp.float32) for s in (shape, ()))
    return tuple(latent.shape for latent in jax.eval_shape(latents, state, x, lmbda))
