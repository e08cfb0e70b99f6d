"""What a latent model is.

A latent model is a sequence of levels, conveyed in order. It has three sides,
each written for one datum:

- ``infer(x, lmbda)``: the posterior of every level, given the datum;
- ``prior(level, latents, lmbda)``: the prior of a level, given the latents
  conveyed before it;
- ``synthesize(latents, lmbda)``: the reconstruction, given all latents.

A model knows nothing of channels. Any object with these sides and the four
attributes below works in every command of the package.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import jax

from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["Inference", "LatentModel", "check_lmbda"]

Latents = Sequence[jax.Array]

Inference = Gaussian | Callable[[Latents], Gaussian]
"""A level's posterior, or, where the inference is hierarchical, a function
from the latents conveyed before the level to its posterior."""


@runtime_checkable
class LatentModel(Protocol):
    """The interface of a latent model (an ``nnx.Module`` holding only ``nnx.Param``).

    Attributes:
      stride: spatial sizes of a datum must be multiples of it; 1 for vectors.
      peak: D = peak² · mean squared error; 255 for images in [0, 1], 1 for vectors.
      form: ``bound`` (Gaussian priors) or ``codec`` (priors meant for integer bins).
      lmbda_range: the λ the weights serve, (low, high); equal where the rate is fixed.
    """

    stride: int
    peak: float
    form: str
    lmbda_range: tuple[float, float]

    def infer(self, x: jax.Array, lmbda: jax.Array) -> Sequence[Inference]:
        """The posterior of each level, first conveyed first."""
        ...

    def prior(self, level: int, latents: Latents, lmbda: jax.Array) -> Prior:
        """The prior of ``level``, from the ``level`` latents before it."""
        ...

    def synthesize(self, latents: Latents, lmbda: jax.Array) -> jax.Array:
        """The reconstruction, of the datum's shape, real-valued, not clipped."""
        ...


def check_lmbda(lmbda: float, lmbda_range: tuple[float, float]) -> float:
    """``lmbda`` itself; raises ValueError where it is outside the range of the weights."""
    low, high = lmbda_range
    # Ranges are quoted to three digits.
    if not low * 0.999 <= lmbda <= high * 1.001:
        raise ValueError(f"λ = {lmbda:g} is outside the model's range, {low:g} to {high:g}")
    return lmbda
