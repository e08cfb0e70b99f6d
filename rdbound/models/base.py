"""What a latent model is.

A latent model is a sequence of levels, conveyed in order, and six questions,
each for one datum:

- ``infer(x, lmbda)`` → variational parameters: what the encoder knows, a pytree of arrays a
  level; the only thing that refinement moves;
- ``start(lmbda)`` → state: the decoder before anything was conveyed;
- ``prior(level, state)``: a distribution that the decoder knows;
- ``posterior(level, state, variational)``: what the encoder wants to convey;
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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from rdbound.ops.extent_mask import Extent

__all__ = [
    "Flat",
    "FlatState",
    "Intercepted",
    "LatentModel",
    "LevelModel",
    "ThreeMethodModel",
    "check_lmbda",
    "dotted",
    "is_framed",
    "is_lossless",
    "precise_parts",
    "level_model",
    "with_extent",
]

VariationalParameters = Sequence[Any]
"""A pytree of arrays for each level, first conveyed first. In flat models the posteriors."""


class LevelModel(Protocol):
    """The six questions. Every method is pure and written for one datum.

    Batches are ``jax.vmap`` over them. What a decoder calls (``start``, ``prior``,
    ``absorb``, ``synthesize``) sees no datum and no variational parameters, only latents as they
    were conveyed: that is what makes the rate one that a decoder can realize.
    """

    def infer(
        self, x: jax.Array, lmbda: jax.Array, extent: Extent | None = None
    ) -> VariationalParameters:
        """Return the variational parameters of each level, first conveyed first.

        Args:
          x: the datum, [H, W, C] in [0, 1] with sides that are multiples of the stride, or [n].
          lmbda: λ, scalar.
          extent: the size of the image in ``x``, if ``x`` is a larger array; only models
            with ``framed = True`` are given one.
        """
        ...

    def start(self, lmbda: jax.Array, extent: Extent | None = None) -> Any:
        """Return the decoder's state before the first level; later levels find λ and extent in
        it.
        """
        ...

    def prior(self, level: int, state: Any) -> Any:
        """The prior of ``level``, from what came before it."""
        ...

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        """The posterior of ``level``, from its variational parameters and what came before it.

        In bidirectional models it depends on the state (the deterministic features
        and the samples above); in flat ones it is the variational parameters itself.
        """
        ...

    def absorb(self, level: int, state: Any, latent: jax.Array) -> Any:
        """The state after ``level`` was conveyed as ``latent``."""
        ...

    def synthesize(self, state: Any) -> jax.Array:
        """The reconstruction, of the datum's shape, real-valued, not clipped."""
        ...


class ThreeMethodModel(Protocol):
    """A model whose state is the tuple of its latents; see :class:`Flat`."""

    def infer(self, x: jax.Array, lmbda: jax.Array) -> VariationalParameters:
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

    def infer(self, x: jax.Array, lmbda: jax.Array) -> VariationalParameters:
        """See :class:`LevelModel`."""
        ...

    prior: Any
    synthesize: Any


class FlatState(NamedTuple):
    """The state of a flat model: λ and the latents so far."""

    lmbda: jax.Array
    latents: tuple[jax.Array, ...]
    extent: Extent | None = None


@dataclass(frozen=True)
class Flat:
    """The six sides of a model with three, whose variational parameters is its posteriors.

    A model with a method ``posterior(level, latents, variational parameters, lmbda)`` is asked
    for what its variational parameters means: networks stay in the model, variational parameters
    holds arrays.

    Its price: ``prior`` and ``synthesize`` start from the latents every time, so that
    a model of many levels that share features is better written with six sides.
    """

    model: Any

    def infer(
        self, x: jax.Array, lmbda: jax.Array, extent: Extent | None = None
    ) -> VariationalParameters:
        """Return the variational parameters that the model infers."""
        return self.model.infer(x, lmbda, **_given(extent))

    def start(self, lmbda: jax.Array, extent: Extent | None = None) -> FlatState:
        """Return the state without latents."""
        return FlatState(jnp.asarray(lmbda, jnp.float32), (), extent)

    def prior(self, level: int, state: FlatState) -> Any:
        """Return the model's prior of ``level``."""
        return self.model.prior(level, state.latents, state.lmbda, **_given(state.extent))

    def posterior(self, level: int, state: FlatState, variational: Any) -> Any:
        """Return the variational parameters, or what the model's ``posterior`` makes of them."""
        if hasattr(self.model, "posterior"):
            return self.model.posterior(level, state.latents, variational, state.lmbda)
        return variational

    def absorb(self, level: int, state: FlatState, latent: jax.Array) -> FlatState:
        """Return the state with one latent more."""
        return state._replace(latents=(*state.latents, latent))

    def synthesize(self, state: FlatState) -> jax.Array:
        """Return the model's reconstruction."""
        return self.model.synthesize(state.latents, state.lmbda, **_given(state.extent))


def _given(extent: Extent | None) -> dict[str, Extent]:
    """Return the keyword of an extent; models of one size are called without it."""
    return {} if extent is None else {"extent": extent}


def with_extent(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call with the last argument as the extent, or without it if it is None."""
    *before, extent = arguments
    return call(*before, **_given(extent))


Around = Callable[..., Any]
"""(name, level, call, *arguments) → result: what is done around one call of a level model."""


@dataclass(frozen=True)
class Intercepted:
    """A level model each of whose six methods is called through one function.

    Compilation, padding, tiling, batching and recording are such functions:

        def around(name, level, call, *arguments):
            print(name, level)
            return call(*arguments)

        model = Intercepted(level_model(model), around)

    Args:
      model: the level model that is called.
      around: a function of the method's name, the level (None for ``infer``, ``start`` and
        ``synthesize``), the method (already bound to the level), and its other arguments.
    """

    model: LevelModel
    around: Around

    def infer(self, x: Any, lmbda: Any, extent: Extent | None = None) -> VariationalParameters:
        """Call ``infer`` through ``around``."""
        return self.around("infer", None, partial(with_extent, self.model.infer), x, lmbda, extent)

    def start(self, lmbda: Any, extent: Extent | None = None) -> Any:
        """Call ``start`` through ``around``."""
        return self.around("start", None, partial(with_extent, self.model.start), lmbda, extent)

    def prior(self, level: int, state: Any) -> Any:
        """Call ``prior`` through ``around``."""
        return self.around("prior", level, partial(self.model.prior, level), state)

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        """Call ``posterior`` through ``around``."""
        call = partial(self.model.posterior, level)
        return self.around("posterior", level, call, state, variational)

    def absorb(self, level: int, state: Any, latent: Any) -> Any:
        """Call ``absorb`` through ``around``."""
        return self.around("absorb", level, partial(self.model.absorb, level), state, latent)

    def synthesize(self, state: Any) -> Any:
        """Call ``synthesize`` through ``around``."""
        return self.around("synthesize", None, self.model.synthesize, state)


def level_model(model: Any) -> LevelModel:
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
