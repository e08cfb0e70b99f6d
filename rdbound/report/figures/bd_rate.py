"""The figure of BD-rates: a bar for each curve, with its interval over images."""

from collections.abc import Mapping

import matplotlib
from matplotlib.figure import Figure

from rdbound.analysis.bd_rate import BDRate
from rdbound.report.figures.style import STYLE, titles

__all__ = ["bd_rate_figure"]


def bd_rate_figure(values: Mapping[str, BDRate], anchor: str) -> Figure:
    """Return horizontal bars of BD-rates, with 95 % intervals if they are known.

    Args:
      values: BD-rate by name of the curve, from top to bottom.
      anchor: name of the anchor.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 0.9 + 0.27 * len(values)), layout="constrained")
        axes = figure.add_subplot()
        for place, (name, rate) in enumerate(values.items()):
            (bar,) = axes.barh(place, rate.value, 0.62, color="#56B4E9")
            bar.set_gid(titles([f"{name}: {rate}"]))
            if rate.interval is not None:
                low, high = rate.interval
                ends = [[rate.value - low], [high - rate.value]]
                axes.errorbar(rate.value, place, xerr=ends, color="#333333", capsize=2, lw=0.8)
        axes.axvline(0, color="black", lw=0.7)
        axes.set_yticks(range(len(values)), list(values), fontsize=7)
        axes.invert_yaxis()
        axes.set_axisbelow(True)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"BD-rate against {anchor} (%)")
    return figure
