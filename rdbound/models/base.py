"""What a latent model is.

A latent model is a sequence of levels, conveyed in order, and six questions,
each for one datum:

- ``infer(x, lmbda)`` → evidence: what the encoder knows, a pytree of arrays a
  level; the only thing that refinement moves;
- ``start(lmbda)`` → state: the decoder before anything was conveyed;
- ``prior(level, state)``: a distribution that the decoder knows;
- ``posterior(level, state, evidence)``: what the encoder wants to convey;
- ``absorb(level, state, latent)`` → state: the decoder after it was conveyed;
- ``synthesize(state)`` → the reconstruction.

The state holds what later levels need, so that nothing is computed twice.
Most models need less: one with the three sides ``infer(x, lmbda)``,
``prior(level, latents, lmbda)`` and ``synthesize(latents, lmbda)`` is a latent
model too (:class:`Flat`). A model knows nothing of channels. One of images whose every
layer that looks beside a place goes through :func:`rdbound.ops.extent_mask.confined` says
``framed = True``, and images of many sizes share its programs. One whose
reconstruction is a distribution of pixels
(:class:`rdbound.ops.discretized_logistic.PixelDistribution`) says ``lossless = True``. Names of
parts that a checkpoint in int8 is to keep in float16 stand in ``precise``.

A whole model, for vectors [n], one level deep:

    class Linear(nnx.Module):
        stride, form = 1, "bound"

        def __init__(self, form="bound", lmbda_range=(1.0, 1.0)):
            self.form, self.lmbda_range = form, lmbda_range
            self.matrix = nnx.Param(jnp.eye(4))

        def infer(self, x, lmbda):
            mu = self.matrix[...] @ x
            return (Gaussian(mu, jnp.zeros_like(mu)),)

        def prior(self, level, latents, lmbda):
            return Gaussian(jnp.zeros(4), jnp.zeros(4))

        def synthesize(self, latents, lmbda):
            return self.matrix[...].T @ latents[0]
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

__all__ = [
    "Flat",
    "FlatState",
    "LatentModel",
    "Sides",
    "ThreeSided",
    "check_lmbda",
    "dotted",
    "is_framed",
    "is_lossless",
    "precise_parts",
    "sides",
]

Evidence = Sequence[Any]
"""A pytree of arrays for each level, first conveyed first. In flat models the posteriors."""


class Sides(Protocol):
    """The six questions. Every method is pure and written for one datum.

    Batches are ``jax.vmap`` over them. What a decoder calls (``start``, ``prior``,
    ``absorb``, ``synthesize``) sees no datum and no evidence, only latents as they
    were conveyed: that is what makes the rate one that a decoder can realize.
    """

    def infer(self, x: jax.Array, lmbda: jax.Array) -> Evidence:
        """What the encoder knows, one entry a level.

        ``x`` is [H, W, C] in [0, 1], its sides multiples of the stride, or [n].
        """
        ...

    def start(self, lmbda: jax.Array) -> Any:
        """The decoder's state before the first level."""
        ...

    def prior(self, level: int, state: Any) -> Any:
        """The prior of ``level``, from what came before it."""
        ...

    def posterior(self, level: int, state: Any, evidence: Any) -> Any:
        """The posterior of ``level``, from its evidence and what came before it.

        In bidirectional models it depends on the state (the deterministic features
        and the samples above); in flat ones it is the evidence itself.
        """
        ...

    def absorb(self, level: int, state: Any, latent: jax.Array) -> Any:
        """The state after ``level`` was conveyed as ``latent``."""
        ...

    def synthesize(self, state: Any) -> jax.Array:
        """The reconstruction, of the datum's shape, real-valued, not clipped."""
        ...


class ThreeSided(Protocol):
    """A model whose state is the tuple of its latents; see :class:`Flat`."""

    def infer(self, x: jax.Array, lmbda: jax.Array) -> Evidence:
        """The posterior of each level, first conveyed first."""
        ...

    def prior(self, level: int, latents: Sequence[jax.Array], lmbda: jax.Array) -> Any:
        """The prior of ``level``, from the ``level`` latents before it."""
        ...

    def synthesize(self, latents: Sequence[jax.Array], lmbda: jax.Array) -> jax.Array:
        """The reconstruction, of the datum's shape, real-valued, not clipped."""
        ...


@runtime_checkable
class LatentModel(Protocol):
    """What every model has (an ``nnx.Module`` holding only ``nnx.Param``), six sides or three.

    Attributes:
      stride: spatial sizes of a datum must be multiples of it; 1 for vectors.
      form: ``bound`` (Gaussian priors) or ``codec`` (priors meant for integer bins).
      lmbda_range: the λ the weights serve, (low, high); equal where the rate is fixed.
    """

    stride: int
    form: str
    lmbda_range: tuple[float, float]

    def infer(self, x: jax.Array, lmbda: jax.Array) -> Evidence:
        """See :class:`Sides`."""
        ...

    prior: Any
    synthesize: Any


class FlatState(NamedTuple):
    """The state of a flat model: λ and the latents so far."""

    lmbda: jax.Array
    latents: tuple[jax.Array, ...]


@dataclass(frozen=True)
class Flat:
    """The six sides of a model with three, whose evidence is its posteriors.

    A model with a method ``posterior(level, latents, evidence, lmbda)`` is asked
    for what its evidence means: networks stay in the model, evidence holds arrays.

    Its price: ``prior`` and ``synthesize`` start from the latents every time, so that
    a model of many levels that share features is better written with six sides.
    """

    model: Any

    def infer(self, x: jax.Array, lmbda: jax.Array) -> Evidence:
        """The model's."""
        return self.model.infer(x, lmbda)

    def start(self, lmbda: jax.Array) -> FlatState:
        """No latents."""
        return FlatState(jnp.asarray(lmbda, jnp.float32), ())

    def prior(self, level: int, state: FlatState) -> Any:
        """The model's."""
        return self.model.prior(level, state.latents, state.lmbda)

    def posterior(self, level: int, state: FlatState, evidence: Any) -> Any:
        """The evidence itself, unless the model knows better."""
        if hasattr(self.model, "posterior"):
            return self.model.posterior(level, state.latents, evidence, state.lmbda)
        return evidence

    def absorb(self, level: int, state: FlatState, latent: jax.Array) -> FlatState:
        """One latent more."""
        return state._replace(latents=(*state.latents, latent))

    def synthesize(self, state: FlatState) -> jax.Array:
        """The model's."""
        return self.model.synthesize(state.latents, state.lmbda)


def sides(model: Any) -> Sides:
    """The six sides of any latent model: itself where it has ``absorb``, else :class:`Flat`."""
    return model if hasattr(model, "absorb") else Flat(model)


def is_framed(model: Any) -> bool:
    """Whether images of many sizes share a model's programs."""
    return bool(getattr(model, "framed", False))


def is_lossless(model: Any) -> bool:
    """Whether a model's reconstruction is a distribution of pixels."""
    return bool(getattr(model, "lossless", False))


def precise_parts(model: Any) -> tuple[str, ...]:
    """Parts of the names of weights that a checkpoint is to keep more exactly."""
    return tuple(getattr(model, "precise", ()))


def dotted(path: Iterable[Any]) -> str:
    """The name of a weight or a module by its path: ``analysis.resamplings.0.dense.kernel``."""
    return ".".join(map(str, path))


def check_lmbda(lmbda: float, lmbda_range: tuple[float, float]) -> float:
    """``lmbda`` itself; raises ValueError where it is outside the range of the weights."""
    low, high = lmbda_range
    # Ranges are quoted to three digits.
    if not low * 0.999 <= lmbda <= high * 1.001:
        raise ValueError(f"λ = {lmbda:g} is outside the model's range, {low:g} to {high:g}")
    return lmbda
