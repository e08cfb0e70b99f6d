"""The noiseless channel: what a model would reconstruct if rate were free."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rdbound.channels.base import Channel, Conveyed

__all__ = ["NoiselessChannel"]


@dataclass(frozen=True)
class NoiselessChannel(Channel):
    """sample = μ; no rate is charged, since no finite one conveys it.

    The distortion that remains is the model's floor: what its latents are too
    few, or its transforms too weak, to tell at any rate. It is reported as the
    method ``floor`` (:mod:`rdbound.methods`), beside the curves and on none of them.
    """

    random: ClassVar[bool] = False

    def __call__(self, posterior: Any, prior: Any, key: jax.Array) -> Conveyed:
        """Convey; neither the prior nor the key is used."""
        return Conveyed(posterior.mu, jnp.zeros_like(posterior.mu))
