"""Stochastic Gumbel annealing: per-sample optimization of the quantized codec."""

from dataclasses import dataclass, replace
from typing import Self

import jax
import jax.numpy as jnp

from rdbound.channels.base import Conveyed
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.rounding import sga_round

__all__ = ["SGAChannel"]


@dataclass(frozen=True)
class SGAChannel:
    """A Gumbel-softmax draw between the two neighbouring integers, annealed.

    With r = μ − μ̂: sample = relaxed round(r) + μ̂ (:func:`sga_round`), bits =
    −log₂ of the box at the sample. The temperature at step t is
    τ(t) = min(τ₀, τ₀·exp(−c·(t − t₀))), floored at 1e-8 (Yang, Bamler & Mandt
    2020, §4.1 and appendix A.2).

    Attributes:
      initial: τ₀, the temperature of the first t₀ steps.
      decay: c, per step.
      start: t₀, the step at which the temperature begins to fall.
      temperature: τ in force; :meth:`at` sets it.
    """

    initial: float = 0.5
    decay: float = 0.001
    start: int = 700
    temperature: float | jax.Array = 0.5

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey at the current temperature; the posterior's scale is not used."""
        residual = posterior.mu - prior.centre
        sample = sga_round(key, residual, self.temperature) + prior.centre
        return Conveyed(sample, prior.box_bits(sample))

    def at(self, step: jax.Array) -> Self:
        """The channel with the temperature of ``step`` (scalar, may be traced)."""
        fall = self.initial * jnp.exp(-self.decay * (step - self.start))
        temperature = jnp.clip(fall, 1e-8, self.initial)
        return replace(self, temperature=temperature)
