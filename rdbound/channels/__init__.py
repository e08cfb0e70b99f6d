"""Channels: the ways a latent is conveyed, by name.

    channel = make_channel("gaussian")
    sample, bits = channel(posterior, prior, jax.random.key(0))

with N(μ, σ²) the posterior, N(μ̂, σ̂²) or a mixture around μ̂ the prior, and "bin"
the −log₂ probability of the unit bin around the sample under the prior:

    name              sample                        bits
    gaussian          μ + σ·ε                       KL(posterior ‖ prior)
    sampled           a draw of the posterior       log₂ of the ratio of densities
    uniform           μ + u, u ~ U(−½, ½)           bin
    straight-through  round(μ − μ̂) + μ̂, gradient 1  bin
    mixed             straight-through's            uniform's
    sga               between two integers, + μ̂     bin
    annealed          the mean of sga's, + μ̂        bin
    soft-rounding     s(s(r) + ν) + μ̂               bin
    map               μ                             bin
    rounding          round(μ − μ̂) + μ̂              bin
    prior-scaled      μ + s·ε, s of σ̂               KL(N(μ, s²) ‖ prior)
    layered           μ + s·ε, s of σ̂               bin of the mean, of random width
    vbq               a short quantile of the prior −log₂ of a frequency
    anchored          another's, of the integers    bin
    noiseless         μ                             0

``gaussian`` and ``sampled`` give the rate of a bound, ``rounding`` that of a codec; the
seven above it train or refine a codec. ``layered`` is the Gaussian channel as a codec runs it,
``prior-scaled`` its cost before coding. ``combined``, ``anchored`` and ``per-level``
are made of other channels; so is ``bits-back``, ``sampled`` for z and ``anchored`` for y.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, validate_call

from rdbound.channels.annealed import DeterministicAnnealingChannel, SGAChannel
from rdbound.channels.base import Channel, Conveyed
from rdbound.channels.combinators import AnchoredChannel, CombinedChannel, PerLevelChannel
from rdbound.channels.gaussian import GaussianChannel, SampledChannel
from rdbound.channels.layered import LayeredChannel, PriorScaledChannel
from rdbound.channels.noise import SoftRoundingChannel, UniformChannel
from rdbound.channels.rounding import (
    MAPChannel,
    NoiselessChannel,
    RoundingChannel,
    StraightThroughChannel,
)
from rdbound.channels.vbq import VBQChannel
from rdbound.utils.registry import OPTIONS, build

__all__ = ["CHANNELS", "Channel", "Conveyed", "make_channel"]


def _named(channel: Any) -> Any:
    """Return the channel of a name or of a mapping with the keys ``name`` and ``options``."""
    if isinstance(channel, str):
        return make_channel(channel)
    if isinstance(channel, dict) and "name" in channel:
        return make_channel(channel["name"], **channel.get("options", {}))
    return channel


Named = Annotated[Channel, BeforeValidator(_named)]
"""A channel, its name, or a mapping of its ``name`` and ``options``."""


def _mixed() -> Channel:
    """Combine the sample of straight-through rounding with the bits of uniform noise."""
    return CombinedChannel(StraightThroughChannel(), UniformChannel())


@validate_call(config=OPTIONS)
def _combined(sample: Named, bits: Named) -> Channel:
    """Combine the sample of one channel with the bits of another."""
    return CombinedChannel(sample, bits)


@validate_call(config=OPTIONS)
def _anchored(of: Named) -> Channel:
    """Convey latents by a channel on the grid of the integers."""
    return AnchoredChannel(of)


@validate_call(config=OPTIONS)
def _bits_back(of: Named) -> Channel:
    """Sample the first level, and convey the others on the grid of the integers."""
    return PerLevelChannel((SampledChannel(), AnchoredChannel(of)))


@validate_call(config=OPTIONS)
def _per_level(levels: tuple[Named, ...]) -> Channel:
    """Convey each level by a channel of its own."""
    return PerLevelChannel(levels=levels)


CHANNELS: dict[str, Callable[..., Channel]] = {
    "gaussian": GaussianChannel,
    "uniform": UniformChannel,
    "straight-through": StraightThroughChannel,
    "mixed": _mixed,
    "rounding": RoundingChannel,
    "prior-scaled": PriorScaledChannel,
    "layered": LayeredChannel,
    "noiseless": NoiselessChannel,
    "sampled": SampledChannel,
    "sga": SGAChannel,
    "annealed": DeterministicAnnealingChannel,
    "soft-rounding": SoftRoundingChannel,
    "map": MAPChannel,
    "vbq": VBQChannel,
    "anchored": _anchored,
    "bits-back": partial(_bits_back, of=RoundingChannel()),
    "combined": _combined,
    "per-level": _per_level,
}


def make_channel(name: str, **options: Any) -> Channel:
    """Return the channel called ``name``.

    ``combined`` takes two channels, ``sample`` and ``bits``; ``anchored`` and ``bits-back``
    one, ``of``; ``per-level`` a list of them, ``levels``; each by name, or as a mapping of
    name and options:

        make_channel("sga", start=0.2, final=0.01)
        make_channel("combined", sample="rounding", bits="uniform")
        make_channel("per-level", levels=["uniform", {"name": "sga", "options": {"start": 0.2}}])

    Args:
      name: a name in :data:`CHANNELS`, or ``package.module:Class`` outside the package.
      options: fields of the channel.

    Raises:
      ValueError: The name or an option is unknown.
    """
    return build("channel", CHANNELS, name, options)
