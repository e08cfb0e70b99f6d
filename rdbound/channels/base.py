"""The interface of a channel.

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

from jaxtyping import Array, Float, PRNGKeyArray

__all__ = ["Channel", "Conveyed"]


class Conveyed(NamedTuple):
    """A conveyed latent and its rate.

    Attributes:
      sample: the value that the decoder sees, of the latent's shape.
      bits: rates that sum to the latent's rate, in bits: of the latent's shape if the
        densities factorize over its elements, else a scalar.
    """

    sample: Float[Array, "*latent"]
    bits: Float[Array, "*elements"]


class Channel(ABC):
    """A way to convey a latent. Implementations are frozen dataclasses.

    Attributes:
      random: whether the value depends on the key, so that it is averaged over samples;
        a deterministic channel is evaluated once.
      pools: whether a sample depends on the latent at several positions at once, as through a
        scale that is fitted to a whole channel. Such a channel must not see the positions of a
        larger array outside the image.
    """

    random: ClassVar[bool] = True
    pools: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, posterior: Any, prior: Any, key: PRNGKeyArray) -> Conveyed:
        """Convey one latent.

        Args:
          posterior: the distribution that the encoder wants to convey; channels that round
            read its ``mu`` only.
          prior: the distribution that encoder and decoder both know.
          key: PRNG key of the noise; the same key gives the same sample.

        Returns:
          The sample and its bits.
        """

    def at(self, progress: float | Float[Array, ""]) -> Self:
        """Return the channel at a point of an optimization.

        Args:
          progress: fraction of the optimization's steps that are done, in [0, 1]; may be traced.

        Returns:
          The channel itself unless it is annealed.
        """
        return self

    def at_level(self, level: int) -> "Channel":
        """Return the channel of one level of a model: the channel itself unless levels differ."""
        return self
