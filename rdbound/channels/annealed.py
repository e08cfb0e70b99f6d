"""Stochastic Gumbel annealing of the quantized codec's latents, and its deterministic mean."""

from dataclasses import replace
from typing import Annotated, ClassVar, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.quantization import annealed_round, sga_round
from rdbound.utils.registry import OPTIONS

__all__ = ["DeterministicAnnealingChannel", "SGAChannel"]

_LEAST = 1e-8  # temperature


@dataclass(frozen=True, config=OPTIONS)
class SGAChannel(Channel):
    """A Gumbel-softmax draw between the two neighbouring integers, annealed.

    With r = μ − μ̂: sample = relaxed round(r) + μ̂ (:func:`sga_round`), bits =
    −log₂ of the bin's probability at the sample. At progress p the temperature is

        τ(p) = τ₀ for p ≤ s, then τ₀·(τ₁/τ₀)^((p − s)/(1 − s))

    and at least 1e-8 (Yang, Bamler & Mandt 2020, §4.1 and appendix A.2, in fractions of the
    steps: their schedule over 2000 steps is s = 0.35, τ₁ = 0.136). The relaxed samples become
    integers as τ falls; a τ₁ above about 0.1 optimizes another objective than that of
    the rounded latents. ``experiments/relaxations.py`` measures how much s and τ₁ matter.

    Attributes:
      initial: τ₀, the temperature of the first steps.
      start: s, the fraction of the steps at which the temperature begins to fall.
      final: τ₁, the temperature at progress 1.
      temperature: the temperature in force, which :meth:`at` sets; ``initial`` if None.
    """

    initial: PositiveFloat = 0.5
    start: Annotated[float, Field(ge=0, lt=1)] = 0.1
    final: PositiveFloat = 0.05
    temperature: float | jax.Array | None = None

    def __call__(self, posterior: Gaussian, prior: Prior, key: PRNGKeyArray) -> Conveyed:
        """Convey at the current temperature; the posterior's scale is not used."""
        temperature = self.initial if self.temperature is None else self.temperature
        residual = posterior.mu - prior.centre
        sample = self._round(key, residual, temperature) + prior.centre
        return Conveyed(sample, prior.bin_bits(sample))

    def _round(
        self,
        key: PRNGKeyArray,
        residual: Float[Array, "*latent"],
        temperature: float | Float[Array, ""],
    ) -> Float[Array, "*latent"]:
        return sga_round(key, residual, temperature)

    def at(self, progress: float | Float[Array, ""]) -> Self:
        """Return the channel with the temperature at ``progress`` in [0, 1]; it may be traced."""
        fallen = jnp.maximum(progress - self.start, 0.0) / (1.0 - self.start)
        temperature = self.initial * (self.final / self.initial) ** fallen
        return replace(self, temperature=jnp.maximum(temperature, _LEAST))


@dataclass(frozen=True, config=OPTIONS)
class DeterministicAnnealingChannel(SGAChannel):
    """The mean of the Gumbel draw's two integers instead of the draw, annealed in the same way.

    A4 of Yang, Bamler & Mandt 2020 (§4.1; after Agustsson et al. 2017): the difference to
    stochastic annealing is the effect of the noise.
    """

    random: ClassVar[bool] = False

    def _round(
        self,
        key: PRNGKeyArray,
        residual: Float[Array, "*latent"],
        temperature: float | Float[Array, ""],
    ) -> Float[Array, "*latent"]:
        return annealed_round(residual, temperature)
