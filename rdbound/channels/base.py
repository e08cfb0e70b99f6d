"""What a channel is.

A channel conveys one latent: a pure function

    (posterior, prior, key) → (sample, bits)

of the posterior's parameters, the prior's parameters and a random key, giving
the value that synthesis and later levels see and the rate of each element.
What separates the bound from the codec, training from evaluation and the
amortized from the refined, is only which channel is used.

A new channel is a frozen dataclass with ``__call__``; options are its fields, which pydantic
validates in those of the package (:data:`rdbound.utils.registry.OPTIONS`). It can be named in a
config as ``package.module:Class``:

    @dataclass(frozen=True)
    class Doubled(Channel):
        def __call__(self, posterior, prior, key):
            sample, bits = GaussianChannel()(posterior, prior, key)
            return Conveyed(sample, 2.0 * bits)
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import jax

__all__ = ["Channel", "Conveyed"]


class Conveyed(NamedTuple):
    """A conveyed latent: ``sample``, of the latent's shape, and ``bits``, whose sum is the rate.

    Bits have the latent's shape where the densities factorize over its
    elements; where they do not, a scalar.
    """

    sample: jax.Array
    bits: jax.Array


class Channel(ABC):
    """A way to convey a latent. Implementations are frozen dataclasses.

    Two traits say what a channel needs of its callers:

    - ``random``: its value depends on the key, so that it is averaged over samples
      (a deterministic one is evaluated once);
    - annealing: the temperature that an annealed channel has left after some
      steps is :meth:`temperature_at`, None where nothing is annealed.
    """

    random: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, posterior: Any, prior: Any, key: jax.Array) -> Conveyed:
        """Convey one latent; shapes as in :class:`Conveyed`.

        Args:
          posterior: what the encoder wants to convey; channels that round read
            its ``mu`` only.
          prior: what the decoder expects, known to both sides.
          key: of the noise; the same key gives the same sample.
        """

    def at(self, step: jax.Array | int) -> Self:
        """The channel at an optimization step (may be traced): itself unless it is annealed."""
        return self

    def at_level(self, level: int) -> "Channel":
        """The channel of one level of a model: itself unless levels differ."""
        return self

    def temperature_at(self, step: int) -> float | None:
        """What annealing has left at ``step``; None where nothing is annealed."""
        return None
