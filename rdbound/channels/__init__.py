"""Channels: the ways a latent is conveyed, by name."""

from rdbound.channels.base import Channel, Conveyed
from rdbound.channels.gaussian import GaussianChannel
from rdbound.channels.mixed import MixedChannel
from rdbound.channels.rounding import RoundingChannel
from rdbound.channels.sampled import SampledChannel
from rdbound.channels.sga import SGAChannel
from rdbound.channels.uniform import UniformChannel
from rdbound.registry import build

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
    return build("channel", CHANNELS, name, options)
