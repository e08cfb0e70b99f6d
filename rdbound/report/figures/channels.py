"""Figures of channels: bits by KL, and prior against aggregate posterior (Yang 2020b, Figure 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from rdbound.report.figures.style import STYLE
from rdbound.tables.channels import ChannelUse

__all__ = ["DrawnChannel", "bits_figure", "densities_figure"]

_KL, _POINTS, _GRID = "black", "#0072B2", "#E69F00"


@dataclass(frozen=True)
class DrawnChannel:
    """A channel with the values of two densities.

    Attributes:
      use: rates of the channel.
      at: values of the latent, [n].
      prior: mean density of the prior at these values, [n].
      posterior: mean density of the posterior at these values, [n].
    """

    use: ChannelUse
    at: np.ndarray
    prior: np.ndarray
    posterior: np.ndarray


def bits_figure(uses: Sequence[ChannelUse]) -> Figure:
    """Return a panel a level: channels in the order of their KL, bits an element on a log axis."""
    levels = sorted({use.level for use in uses})
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(len(levels), 3.2, 2.8)
        for axes, level in zip(panels, levels, strict=True):
            own = sorted((u for u in uses if u.level == level), key=lambda use: -use.kl)
            place = np.arange(len(own))
            points = [u.points / u.share for u in own if u.points is not None]
            grid, kl = [u.grid / u.share for u in own], [u.kl / u.share for u in own]
            if len(points) == len(own):
                axes.plot(place, points, ".", ms=2.5, color=_POINTS, label="code points")
            axes.plot(place, grid, ".", ms=2.5, color=_GRID, label="uniform grid")
            axes.plot(place, kl, color=_KL, lw=1.2, label="KL")
            dead = next((k for k, u in enumerate(own) if not u.active), None)
            if dead is not None:
                axes.axvspan(dead - 0.5, len(own) - 0.5, color="0.9", zorder=0, label="collapsed")
            axes.set_ylim(1e-5, 2.0 * max(1.0, *kl, *grid))
            axes.set_yscale("log")
            axes.set_title(f"level {level}", loc="left", fontsize=9)
            axes.set_xlabel("channel, by its KL")
        panels[0].set_ylabel("bits an element")
        panels[0].legend(frameon=False, fontsize=7)
    return figure


def densities_figure(drawn: Sequence[DrawnChannel]) -> Figure:
    """Return a panel a channel: its prior, its aggregate posterior and its rates."""
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(len(drawn), 2.3, 2.3)
        for axes, one in zip(panels, drawn, strict=True):
            axes.fill_between(one.at, one.prior, color="0.8", label="prior")
            axes.plot(one.at, one.posterior, color=_POINTS, lw=1.2, label="aggregate posterior")
            axes.set_title(_description(one.use), loc="left", fontsize=7)
            axes.set_yticks([])
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=2,
            frameon=False,
            fontsize=8,
        )
    return figure


def _panels(count: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """Return a figure and ``count`` axes in it, at most four a row, each of a size in inches."""
    columns = min(count, 4)
    rows = -(-count // columns)
    figure = Figure(figsize=(1.0 + width * columns, height * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def _description(use: ChannelUse) -> str:
    state = "" if use.active else ", collapsed"
    points = "" if use.points is None else f", code points {use.points / use.share:.3f}"
    return (
        f"level {use.level}, channel {use.channel}{state}\n"
        f"KL {use.kl / use.share:.3f}{points}, grid {use.grid / use.share:.3f} bits"
    )
