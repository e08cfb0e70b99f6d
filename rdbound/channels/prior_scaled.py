"""The Gaussian channel of a scale that the decoder knows: what that restriction costs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from rdbound.channels.base import Channel, Conveyed
from rdbound.channels.gaussian import GaussianChannel
from rdbound.ops.distributions import Gaussian
from rdbound.ops.tied_scale import PriorScaled, nearest_prior_scaled

__all__ = ["PriorScaledChannel", "prior_scaled"]

_Fit = Callable[[Gaussian, Gaussian], PriorScaled]


@dataclass(frozen=True)
class PriorScaledChannel(Channel):
    """The Gaussian channel with the nearest posterior whose scale is a function of the prior's.

    See :func:`rdbound.ops.tied_scale.nearest_prior_scaled`. Its J less that of the
    Gaussian channel is the price of telling the decoder the scale; the layered channel's
    less its, that of coding by a layered quantizer. The noise of each channel, which the
    decoder must be told, is not counted.
    """

    def __call__(self, posterior: Gaussian | PriorScaled, prior: Any, key: jax.Array) -> Conveyed:
        """Convey; raises ValueError for a prior that is not Gaussian."""
        scaled = prior_scaled(posterior, prior, nearest_prior_scaled)
        return GaussianChannel()(scaled.given(prior), prior, key)


def prior_scaled(posterior: Gaussian | PriorScaled, prior: Any, fit: _Fit) -> PriorScaled:
    """The posterior itself, or one of the family by ``fit``; raises ValueError for another prior.

    Args: as of :meth:`PriorScaledChannel.__call__`, and what fits.
    """
    if not isinstance(prior, Gaussian):
        raise ValueError(
            f"a scale that the decoder knows needs a Gaussian prior, not {type(prior).__name__}: "
            "the uniform channel (coder 'dithered') serves a codec"
        )
    if isinstance(posterior, PriorScaled):
        return posterior
    return fit(posterior, prior)
