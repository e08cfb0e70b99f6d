"""The table of channels, ``channels.csv``: what each channel of each level is used for."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rdbound.tables.csv_records import write_records

__all__ = ["ChannelUse", "write_channel_uses"]


@dataclass(frozen=True, slots=True)
class ChannelUse:
    """One channel, means over its elements and over the images.

    Attributes:
      level: of the latent, from 0.
      channel: along its last axis.
      share: elements per pixel.
      kl: KL(posterior ‖ prior), bits per pixel.
      offset: mean of ((μ − μ̂)/σ̂)², what the data move the mean by.
      noise: mean of (σ/σ̂)², what the posterior leaves open.
      points: bits per pixel by code points; None where the checkpoint has no tables.
      grid: bits per pixel by a uniform grid of the same error on all channels together.
    """

    level: int
    channel: int
    share: float
    kl: float
    offset: float
    noise: float
    points: float | None
    grid: float

    @property
    def active(self) -> bool:
        """Whether the data move its mean: an offset above 0.01 (Burda et al. 2016)."""
        return self.offset > 0.01


def write_channel_uses(path: Path, uses: Iterable[ChannelUse]) -> None:
    """Write ``channels.csv``; an existing file is replaced whole or not at all."""
    write_records(path, ChannelUse, uses)
