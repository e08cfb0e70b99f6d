"""Stochastic Gumbel annealing, per-sample optimization of the quantized codec, and its mean."""

import math
from dataclasses import replace
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.quantization import annealed_round, sga_round
from rdbound.utils.registry import OPTIONS

__all__ = ["DeterministicAnnealingChannel", "SGAChannel"]


@dataclass(frozen=True, config=OPTIONS)
class SGAChannel(Channel):
    """A Gumbel-softmax draw between the two neighbouring integers, annealed.

    With r = μ − μ̂: sample = relaxed round(r) + μ̂ (:func:`sga_round`), bits =
    −log₂ of the box at the sample. The temperature at step t is
    τ(t) = min(τ₀, τ₀·exp(−c·(t − t₀))), floored at 1e-8 (Yang, Bamler & Mandt
    2020, §4.1 and appendix A.2).

    The defaults are theirs and leave τ = 0.136 after 2000 steps, 0.0068 after 5000.
    A draw above about 0.1 is no integer yet, and what is judged by rounding it is
    not what was optimized: for fewer steps choose a larger ``decay`` or a smaller
    ``start``. Refinement and training call :meth:`at` at every step.

    Attributes:
      initial: τ₀, the temperature of the first t₀ steps.
      decay: c, per step.
      start: t₀, the step at which the temperature begins to fall.
      temperature: τ in force; :meth:`at` sets it, ``initial`` where None.

    Raises ValueError for a temperature or decay that is not positive.
    """

    initial: PositiveFloat = 0.5
    decay: PositiveFloat = 0.001
    start: float = 700
    temperature: float | jax.Array | None = None

    @classmethod
    def over(cls, steps: int, start: float = 0.1, end: float = 0.05) -> Self:
        """The schedule for a number of steps: warm for a part of them, ``end`` at the last.

        Args:
          steps: of refinement, at least 1.
          start: the part at the first temperature, below 1.
          end: the last temperature, below the first. How much either matters on Kodak is
            measured by ``experiments/relaxations.py``.
        """
        decay = math.log(cls.initial / end) / ((1.0 - start) * steps)
        return cls(start=start * steps, decay=decay)

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey at the current temperature; the posterior's scale is not used."""
        temperature = self.initial if self.temperature is None else self.temperature
        residual = posterior.mu - prior.centre
        sample = self._round(key, residual, temperature) + prior.centre
        return Conveyed(sample, prior.bin_bits(sample))

    def _round(self, key: jax.Array, residual: jax.Array, temperature: Any) -> jax.Array:
        return sga_round(key, residual, temperature)

    def temperature_at(self, step: int) -> float:
        """τ(step), a number."""
        temperature = self.at(step).temperature
        assert temperature is not None
        return float(temperature)

    def at(self, step: jax.Array | int) -> Self:
        """The channel with the temperature of ``step`` (scalar, may be traced)."""
        fall = self.initial * jnp.exp(-self.decay * (step - self.start))
        temperature = jnp.clip(fall, 1e-8, self.initial)
        return replace(self, temperature=temperature)


@dataclass(frozen=True, config=OPTIONS)
class DeterministicAnnealingChannel(SGAChannel):
    """The mean of the Gumbel draw's two integers in place of the draw, annealed alike.

    A4 of Yang, Bamler & Mandt 2020 (§4.1; after Agustsson et al. 2017): what
    stochastic annealing gains over it is what the noise is for.
    """

    random: ClassVar[bool] = False

    def _round(self, key: jax.Array, residual: jax.Array, temperature: Any) -> jax.Array:
        return annealed_round(residual, temperature)
