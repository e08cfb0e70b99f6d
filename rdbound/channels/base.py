"""What a channel is.

A channel conveys one latent: a pure function

    (posterior, prior, key) → (sample, bits)

of the posterior's parameters, the prior's parameters and a random key, giving
the value that synthesis and later levels see and the rate of each element.
What separates the bound from the codec, training from evaluation and the
amortized from the refined, is only which channel is used.
"""

from typing import NamedTuple, Protocol, Self

import jax

from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["Channel", "Conveyed"]


class Conveyed(NamedTuple):
    """A conveyed latent: ``sample``, of the latent's shape, and ``bits``, whose sum is the rate.

    Bits have the latent's shape where the densities factorize over its
    elements; where they do not, a scalar.
    """

    sample: jax.Array
    bits: jax.Array


class Channel(Protocol):
    """A way to convey a latent. Implementations are frozen dataclasses."""

    def __call__(self, posterior: Gaussian, prior: Prior, key: jax.Array) -> Conveyed:
        """Convey one latent; shapes as in :class:`Conveyed`."""
        ...

    def at(self, step: jax.Array) -> Self:
        """The channel at an optimization step: itself unless it is annealed."""
        ...
