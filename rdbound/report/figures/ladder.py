"""The figure of the ladder: bars of what each rung costs over the bound."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbound.analysis.channel_ladder import Rung
from rdbound.report.figures.style import STYLE

__all__ = ["ladder_figure"]

_DIGITIZATION, _ASYMPTOTIC = "#56B4E9", "#E69F00"  # Okabe & Ito's palette


def ladder_figure(rungs: Sequence[Rung], images: int) -> Figure:
    """Return one panel a λ and one bar a rung: digitization and, beyond it, the asymptotic part.

    Lengths are in per cent of the bound's J, with 95 % intervals of the digitization. An
    asymptotic part below zero (bits-back infers a better posterior than the model's) is hatched
    and lies within the bar.

    Args:
      rungs: rungs, from the bound down.
      images: number of images that the means are over.

    Raises:
      ValueError: there is no rung.
    """
    lmbdas = sorted({lmbda for r in rungs for lmbda in r.J})
    if not lmbdas:
        raise ValueError("a figure of the ladder needs at least one rung")
    height = 0.9 + 0.27 * len(rungs)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.6 + 2.1 * len(lmbdas), height), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(lmbdas), sharey=True))
        for axes, lmbda in zip(panels, lmbdas, strict=True):
            _panel(axes, rungs, lmbda)
        several = len({r.model for r in rungs}) > 2
        methods = [r.method.removesuffix("-ideal") for r in rungs]
        names = [
            f"{name}\n{r.model}" if several else name
            for name, r in zip(methods, rungs, strict=True)
        ]
        panels[0].set_yticks(range(len(rungs)), names, fontsize=7)
        panels[0].invert_yaxis()
        panels[-1].legend(frameon=False, fontsize=7, loc="lower right")
        figure.supxlabel(
            f"J over the bound's, per cent (mean of {images} image{'s' * (images != 1)})",
            fontsize=8,
        )
    return figure


def _asymptotic(length: float) -> dict[str, Any]:
    """Return how the asymptotic part is drawn: a negative one hatched, back into the bar."""
    if length >= 0:
        return {"color": _ASYMPTOTIC}
    return {"facecolor": "white", "edgecolor": _ASYMPTOTIC, "hatch": "/////", "lw": 0.5}


def _panel(axes: Axes, rungs: Sequence[Rung], lmbda: float) -> None:
    for place, rung in enumerate(rungs):
        if lmbda not in rung.J:
            continue
        digitization = rung.digitization[lmbda]
        unit = (rung.J[lmbda] - digitization.value) / 100
        first = digitization.value / unit
        axes.barh(place, first, 0.62, color=_DIGITIZATION)
        if digitization.interval is not None and place:
            ends = [[abs(end - digitization.value) / unit] for end in digitization.interval]
            axes.errorbar(first, place, xerr=ends, color="#333333", capsize=2, lw=0.8)
        total = first
        if lmbda in rung.asymptotic:
            second = rung.asymptotic[lmbda].value / unit
            axes.barh(place, second, 0.62, first, **_asymptotic(second))
            total += second
        axes.annotate(
            f"{total:+.1f}",
            (max(total, first, 0.0), place),
            (3, 0),
            fontsize=6.5,
            textcoords="offset points",
            va="center",
        )
    for colour, label in (
        (_DIGITIZATION, "digitization (ideal rates)"),
        (_ASYMPTOTIC, "asymptotic (bytes)"),
    ):
        axes.barh(0, 0, 0, color=colour, label=label)
    axes.axvline(0, color="black", lw=0.7)
    axes.set_title(f"λ = {lmbda:.4g}", fontsize=9, loc="left")
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.18)
