"""Looking at a model's latents by way of its codec, which writes nothing."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rdbound.coding.coders.base import Coder
from rdbound.coding.entropy.range_coder import Writer
from rdbound.ops.distributions import Gaussian

__all__ = ["Latents", "WatchingCoder", "both_gaussian", "drawn_latents", "joined_latents"]


class WatchingCoder(Coder):
    """Writes nothing; shows every level's posterior and prior, and conveys the means.

    Args:
      see: called with the level, its posterior and its prior.
    """

    name, code, channel, form = "watching", 255, "noiseless", "bound"

    def __init__(self, see: Callable[[int, Any, Any], None]):
        super().__init__({})
        self._see = see

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """Show, and convey the mean; see :meth:`Coder.write`."""
        self._see(level, posterior, prior)
        return np.asarray(posterior.mu, np.float32)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Any) -> np.ndarray:
        """Raise NotImplementedError: there is nothing to read."""
        raise NotImplementedError


class Latents(NamedTuple):
    """Single latents, [n] each: means, scales, those of the priors, and channels."""

    mu: Any
    log_sigma: Any
    mu_hat: Any
    log_sigma_hat: Any
    channel: Any


def both_gaussian(posterior: Any, prior: Any) -> None:
    """Raise ValueError where one is not."""
    if not (isinstance(posterior, Gaussian) and isinstance(prior, Gaussian)):
        found = " and ".join(type(of).__name__ for of in (posterior, prior))
        raise ValueError(f"expected a Gaussian posterior and prior, not {found}")


def drawn_latents(
    posterior: Gaussian, prior: Gaussian, count: int, rng: np.random.Generator
) -> Latents:
    """``count`` latents of a level, any of them, each at most once."""
    shape = np.shape(posterior.mu)
    which = rng.choice(int(np.prod(shape)), count, replace=False)
    arrays = (posterior.mu, posterior.log_sigma, prior.mu, prior.log_sigma, np.arange(shape[-1]))
    return Latents(*(np.broadcast_to(np.asarray(a), shape).ravel()[which] for a in arrays))


def joined_latents(parts: Sequence[Latents]) -> Latents:
    """One after the other."""
    return Latents(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
