"""The loop over the levels of a latent model.

The objective, the encoder, the decoder and the analysis are its callers; they differ
in the step, which conveys one latent: through a channel, by a coder, or not at all.
The prior is p(z) = ∏ p(z_l | z_<l), and the order is always that of the decoder:

    prior of level l  →  step: latent l conveyed  →  state after it  →  level l + 1

So nothing an encoder uses is unknown to its decoder, and a latent is seen by
later levels as it was conveyed, noise or rounding included. A step that collects gives
the latents to an analysis. For example, the sample and the bits of each level through one
channel:

    levels = level_model(model)
    variational = levels.infer(x, lmbda)

    def collect(level, prior, state):
        posterior = levels.posterior(level, state, variational[level])
        sample, bits = channel(posterior, prior, keys[level])
        return sample, (posterior, prior, sample, bits)

    state, collected = walk(levels, lmbda, len(variational), collect)
    x_hat = levels.synthesize(state)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, ScalarLike

from rdbound.models.base import LatentModel, LevelModel, level_model, with_extent
from rdbound.ops.extent_mask import Extent

__all__ = ["Step", "Walked", "latent_shapes", "walk"]

Step = Callable[[int, Any, Any], tuple[Float[Array, "..."], Any]]
"""(level, prior, state) → (the latent as the decoder sees it, what the caller collects)."""


class Walked(NamedTuple):
    """The result of the loop.

    Attributes:
      state: the decoder's state after the last level.
      kept: what the steps collected, one entry a level.
    """

    state: Any
    kept: tuple[Any, ...]


def walk(
    model: LevelModel, lmbda: ScalarLike, levels: int, step: Step, extent: Extent | None = None
) -> Walked:
    """Compute for each level its prior, then ``step``, then the state after it.

    The loop is Python's and short: under ``jit`` it is unrolled, and latents of
    different shapes need no padding. The reconstruction of the last state is not computed:
    an encoder does not need it.

    Args:
      model: a level model of one datum (:func:`rdbound.models.base.level_model`), plain or
        compiled.
      lmbda: λ, scalar.
      levels: number of levels.
      step: conveys one latent; it may read from a stream or write to one, since
        levels are taken in order, each once.
      extent: the size of the image in its array; None if it fills it.

    Returns:
      The state after the last level, and what the steps collected.
    """
    state = with_extent(model.start, lmbda, extent)
    kept = []
    for level in range(levels):
        latent, information = step(level, model.prior(level, state), state)
        state = model.absorb(level, state, latent)
        kept.append(information)
    return Walked(state, tuple(kept))


def latent_shapes(model: LatentModel, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the shape of each level's latent for a datum of this shape; nothing is computed.

    A decoder needs it: a factorized prior is the same at all positions and does not tell
    their number.

    Args:
      model: the latent model.
      shape: shape of the datum, [H, W, C] with multiples of the model's stride, or [n].
    """
    graphdef, state = nnx.split(model)

    def latents(state: nnx.State, x: Any, lmbda: Any) -> tuple[Any, ...]:
        levels = level_model(nnx.merge(graphdef, state))
        variational = levels.infer(x, lmbda)

        def step(level: int, prior: Any, state: Any) -> tuple[Any, Any]:
            mean = levels.posterior(level, state, variational[level]).mu
            return mean, mean

        return walk(levels, lmbda, len(variational), step).kept

    x, lmbda = (jax.ShapeDtypeStruct(s, jnp.float32) for s in (shape, ()))
    return tuple(latent.shape for latent in jax.eval_shape(latents, state, x, lmbda))
