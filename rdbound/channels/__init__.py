"""Channels: the ways a latent is conveyed, by name."""

from rdbound.channels.base import Channel, Conveyed
from rdbound.channels.gaussian import GaussianChannel
from rdbound.channels.mixed import MixedChannel
from rdbound.channels.rounding import RoundingChannel
from rdbound.channels.sampled import SampledChannel
from rdbound.channels.sga import SGAChannel
from rdbound.channels.uniform import UniformChannel

__all__ = ["CHANNELS", "Channel", "Conveyed", "make_channel"]

CHANNELS: dict[str, type] = {
    "gaussian": GaussianChannel,
    "uniform": UniformChannel,
    "mixed": MixedChannel,
    "rounding": RoundingChannel,
    "sampled": SampledChannel,
    "sga": SGAChannel,
}


def make_channel(name: str, **options) -> Channel:
    """The channel called ``name``; raises ValueError for an unknown name or option."""
    if name not in CHANNELS:
        raise ValueError(f"unknown channel {name!r}: choose one of {', '.join(CHANNELS)}")
    try:
        return CHANNELS[name](**options)
    except TypeError as error:
        raise ValueError(f"channel {name!r}: {error}") from None
