"""What a latent model is.

A latent model is a sequence of levels, conveyed in order, and six methods,
each for one datum (:class:`LevelModel`):

- ``infer(x, lmbda, extent=None)`` → variational parameters: a pytree of arrays for each level;
  the only thing that refinement moves;
- ``start(lmbda, extent=None)`` → state: the decoder's state before the first latent;
- ``prior(level, state)``: a distribution that the decoder knows;
- ``posterior(level, state, variational)``: the distribution that the encoder conveys;
- ``absorb(level, state, latent)`` → state: the decoder's state after this latent;
- ``synthesize(state)`` → the reconstruction.

The state holds what later levels need, so that nothing is computed twice. Most models need
less: one with the three methods ``infer(x, lmbda)``, ``prior(level, latents, lmbda)`` and
``synthesize(latents, lmbda)`` is a latent model too (:class:`Flat`). A model knows nothing of
channels. Attributes that a model may have beside those of :class:`LatentModel`:

- ``framed = True``: images of many sizes share the model's programs. Every layer that looks
  beside a place takes an extent (:mod:`rdbound.ops.extent_mask`); the methods ``infer`` and
  ``start``, or all three of a three-method model, have a keyword ``extent``.
- ``reach``: the number of cells of stride × stride pixels that any method looks beyond a place,
  at most (:func:`cells_reached`). Large images of a model with a reach are coded in tiles.
- ``lossless = True``: the reconstruction is a distribution of pixels
  (:class:`rdbound.ops.discretized_logistic.PixelDistribution`).
- ``precise``: parts of the names of weights that a checkpoint in int8 keeps in float16.

Extents are worth their arguments: for the amortized bound of 24 images of 24 padded sizes up
to 256×384 pixels (res-hyper-1), frames compile 4 programs in 46 seconds of processor time,
padded shapes 48 in about 280.

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

import jax.numpy as jnp
from jaxtyping import Array, Float, ScalarLike

from rdbound.ops.extent_mask import Extent

__all__ = [
    "Embedding",
    "Flat",
    "FlatState",
    "Intercepted",
    "LatentModel",
    "LevelModel",
    "StartState",
    "ThreeMethodModel",
    "cells_reached",
    "check_lmbda",
    "dotted",
    "is_framed",
    "is_lossless",
    "precise_parts",
    "level_model",
    "with_extent",
]

Embedding = Float[Array, " e"] | None
"""The embedding of log λ; None in fixed-rate models."""

VariationalParameters = Sequence[Any]
"""A pytree of arrays for each level, first conveyed first. In flat models the posteriors."""


class LevelModel(Protocol):
    """The six methods, each pure and written for one datum.

    Batches are ``jax.vmap`` over them. What a decoder calls (``start``, ``prior``,
    ``absorb``, ``synthesize``) sees no datum and no variational parameters, only latents as they
    were conveyed: that is what makes the rate one that a decoder can realize.
    """

    def infer(
        self, x: Float[Array, "..."], lmbda: ScalarLike, extent: Extent | None = None
    ) -> VariationalParameters:
        """Return the variational parameters of each level, first conveyed first.

        Args:
          x: the datum, [H, W, C] in [0, 1] with sides that are multiples of the stride, or [n].
          lmbda: λ, scalar.
          extent: the size of the image in ``x`` if ``x`` is a larger array; passed to models
            with ``framed = True`` only.
        """
        ...

    def start(self, lmbda: ScalarLike, extent: Extent | None = None) -> Any:
        """Return the decoder's state before the first level, which holds λ and the extent."""
        ...

    def prior(self, level: int, state: Any) -> Any:
        """Return the prior of ``level`` from the state before it."""
        ...

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        """Return the posterior of ``level`` from its variational parameters and the state.

        In bidirectional models it depends on the state (the deterministic features
        and the samples above); in flat ones the variational parameters are the posterior.
        """
        ...

    def absorb(self, level: int, state: Any, latent: Float[Array, "..."]) -> Any:
        """Return the state after ``level`` was conveyed as ``latent``."""
        ...

    def synthesize(self, state: Any) -> Any:
        """Return the reconstruction, of the datum's shape, real-valued, not clipped."""
        ...


class ThreeMethodModel(Protocol):
    """A model whose state is the tuple of its latents; see :class:`Flat`."""

    def infer(self, x: Float[Array, "..."], lmbda: ScalarLike) -> VariationalParameters:
        """Return the posterior of each level, first conveyed first."""
        ...

    def prior(self, level: int, latents: Sequence[Float[Array, "..."]], lmbda: ScalarLike) -> Any:
        """Return the prior of ``level`` from the ``level`` latents before it."""
        ...

    def synthesize(self, latents: Sequence[Float[Array, "..."]], lmbda: ScalarLike) -> Any:
        """Return the reconstruction, of the datum's shape, real-valued, not clipped."""
        ...


@runtime_checkable
class LatentModel(Protocol):
    """The attributes that every latent model has: an ``nnx.Module`` that holds only ``nnx.Param``.

    Attributes:
      stride: spatial sizes of a datum must be multiples of it; 1 for vectors.
      form: ``bound`` (Gaussian priors) or ``codec`` (priors meant for integer bins).
      lmbda_range: the λ the weights serve, (low, high); equal where the rate is fixed.
    """

    stride: int
    form: str
    lmbda_range: tuple[float, float]

    def infer(self, x: Float[Array, "..."], lmbda: ScalarLike) -> VariationalParameters:
        """Return the variational parameters; see :class:`LevelModel`."""
        ...

    prior: Any
    synthesize: Any


class FlatState(NamedTuple):
    """The state of a flat model: λ, the latents so far and the extent of the image."""

    lmbda: Float[Array, ""]
    latents: tuple[Float[Array, "..."], ...]
    extent: Extent | None = None


@dataclass(frozen=True)
class Flat:
    """The six methods of a model with three, whose variational parameters are its posteriors.

    If the model has a method ``posterior(level, latents, variational, lmbda)``, it gives the
    posteriors: networks then stay in the model, and variational parameters hold arrays only.

    ``prior`` and ``synthesize`` start from the latents every time, so that
    a model of many levels that share features is better written with six methods.
    """

    model: Any

    def infer(
        self, x: Float[Array, "..."], lmbda: ScalarLike, extent: Extent | None = None
    ) -> VariationalParameters:
        """Return the variational parameters that the model infers."""
        return self.model.infer(x, lmbda, **_given(extent))

    def start(self, lmbda: ScalarLike, extent: Extent | None = None) -> FlatState:
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

    def absorb(self, level: int, state: FlatState, latent: Array) -> FlatState:
        """Return the state with one latent more."""
        return state._replace(latents=(*state.latents, latent))

    def synthesize(self, state: FlatState) -> Any:
        """Return the model's reconstruction."""
        return self.model.synthesize(state.latents, state.lmbda, **_given(state.extent))


def _given(extent: Extent | None) -> dict[str, Extent]:
    """Return the keyword of an extent; models of one size are called without it."""
    return {} if extent is None else {"extent": extent}


def with_extent(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call with the last argument as the extent, or without it if it is None."""
    *before, extent = arguments
    return call(*before, **_given(extent))


class StartState(NamedTuple):
    """The decoder's state before the first level, in the six-method models of images.

    Attributes:
      lmbda: λ, a scalar.
      e: the embedding of log λ; None in fixed-rate models.
      extent: the size of the image in its array; None if it fills it.
    """

    lmbda: Float[Array, ""]
    e: Embedding
    extent: Extent | None = None


def cells_reached(stride: int, *paths: Iterable[tuple[int, int]]) -> int:
    """Return how many cells beyond a place a model looks, from its layers.

    Args:
      stride: side of a cell in pixels.
      paths: for each method the layers from an input to an output, as (pixels that the layer
        looks to each side, side in pixels of one position of its result). Resamplings whose
        kernel equals their stride look no further and are left out.
    """
    most = 0
    for path in paths:
        radius = 0
        for pixels, grid in path:
            radius = -(-(radius + pixels) // grid) * grid
        most = max(most, -(-radius // stride))
    return most


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

    def infer(
        self, x: Float[Array, "..."], lmbda: ScalarLike, extent: Extent | None = None
    ) -> VariationalParameters:
        """Call ``infer`` through ``around``."""
        return self.around("infer", None, partial(with_extent, self.model.infer), x, lmbda, extent)

    def start(self, lmbda: ScalarLike, extent: Extent | None = None) -> Any:
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
    """Return the six methods of a latent model: itself if it has ``absorb``, else :class:`Flat`."""
    return model if hasattr(model, "absorb") else Flat(model)


def is_framed(model: Any) -> bool:
    """Return whether images of many sizes share a model's programs."""
    return bool(getattr(model, "framed", False))


def is_lossless(model: Any) -> bool:
    """Return whether a model's reconstruction is a distribution of pixels."""
    return bool(getattr(model, "lossless", False))


def precise_parts(model: Any) -> tuple[str, ...]:
    """Return parts of the names of weights that a checkpoint keeps more exactly."""
    return tuple(getattr(model, "precise", ()))


def dotted(path: Iterable[Any]) -> str:
    """Return the name of a weight or a module: ``analysis.resamplings.0.dense.kernel``."""
    return ".".join(map(str, path))


def check_lmbda(lmbda: float, lmbda_range: tuple[float, float]) -> float:
    """Return ``lmbda``; raise ValueError if it is outside the range of the weights."""
    low, high = lmbda_range
    # Ranges are quoted to three digits.
    if not low * 0.999 <= lmbda <= high * 1.001:
        raise ValueError(f"λ = {lmbda:g} is outside the model's range, {low:g} to {high:g}")
    return lmbda
