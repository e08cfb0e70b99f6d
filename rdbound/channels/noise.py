"""Additive uniform noise, the classical surrogate of rounding, and soft rounding around noise."""

from dataclasses import replace
from typing import Annotated, Self

import jax
from jaxtyping import Array, Float, PRNGKeyArray
from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.quantization import kumaraswamy, soft_round
from rdbound.utils.registry import OPTIONS

__all__ = ["SoftRoundingChannel", "UniformChannel"]


@dataclass(frozen=True, config=OPTIONS)
class UniformChannel(Channel):
    """sample = μ + u with u ~ U(−½, ½), bits = −log₂ (p ∗ U)(sample).

    The density of the noisy latent is the prior's mass of the unit bin
    (Ballé, Laparra & Simoncelli 2017); dithered quantization realizes it, at high
    rate for ½·log₂(2πe/12) = 0.2546 bits a dimension over R(D).
    """

    def __call__(self, posterior: Gaussian, prior: Prior, key: PRNGKeyArray) -> Conveyed:
        """Convey; the posterior's scale is not used."""
        mu = posterior.mu
        sample = mu + jax.random.uniform(key, mu.shape, mu.dtype, -0.5, 0.5)
        return Conveyed(sample, prior.bin_bits(sample))


_AtLeastOne = Annotated[float, Field(ge=1)]


@dataclass(frozen=True, config=OPTIONS)
class SoftRoundingChannel(Channel):
    """sample = s(s(r) + ν) + μ̂ with r = μ − μ̂, s a soft rounding and ν noise in (−½, ½).

    Soft rounding (Agustsson & Theis 2020, §4.1) becomes rounding as its temperature falls; the
    noise is a Kumaraswamy variable around zero, of peakedness 1 uniform (Kim et al. 2024,
    §3.2.2, whose values are the defaults; they fall linearly). Bits are −log₂ of the bin at
    the sample.

    Attributes:
      temperature: temperature of soft rounding at the first step and at the last.
      peakedness: peakedness of the noise at the first step and at the last, at least 1.
      progress: 0 at the first step, 1 at the last; :meth:`at` sets it.
    """

    temperature: tuple[PositiveFloat, PositiveFloat] = (0.3, 0.1)
    peakedness: tuple[_AtLeastOne, _AtLeastOne] = (2.0, 1.0)
    progress: float | jax.Array = 0.0

    def __call__(self, posterior: Gaussian, prior: Prior, key: PRNGKeyArray) -> Conveyed:
        """Convey with the temperatures at :attr:`progress`; the posterior's scale is not used."""
        residual = posterior.mu - prior.centre
        temperature, peakedness = self._now(self.temperature), self._now(self.peakedness)
        noise = kumaraswamy(key, peakedness, residual.shape, residual.dtype) - 0.5
        inner = soft_round(residual, temperature) + noise
        sample = soft_round(inner, temperature) + prior.centre
        return Conveyed(sample, prior.bin_bits(sample))

    def at(self, progress: float | Float[Array, ""]) -> Self:
        """Return the channel at ``progress`` in [0, 1]; it may be traced."""
        return replace(self, progress=progress)

    def _now(self, ends: tuple[float, float]) -> jax.Array | float:
        first, last = ends
        return first + (last - first) * self.progress
