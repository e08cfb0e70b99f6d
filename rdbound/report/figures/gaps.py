"""The figure of the gaps: stacked bars that add up to the total."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbound.analysis.gaps import PARTS
from rdbound.report.figures.style import STYLE, titles
from rdbound.report.wording import words_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN

__all__ = ["gap_figure"]

# Okabe & Ito's palette.
_COLOURS = dict(zip(PARTS, ("#999999", "#E69F00", "#CC79A7", "#56B4E9", "#009E73"), strict=True))
_HATCHES = dict(zip(PARTS, ("", "//", "\\\\", "..", "xx"), strict=True))

_Values = Mapping[tuple[str, float], Gap]  # by gap and λ


def gap_figure(gaps: Sequence[Gap]) -> Figure:
    """Return stacked bars of the mean gaps at each λ, in bits per pixel, with 95 % intervals.

    A negative gap hangs below zero. The total's interval is drawn in black, beside the stack, so
    that it hides none of the parts.

    Raises:
      ValueError: there is no mean over images among the gaps.
    """
    values = {(g.gap, g.lmbda): g for g in gaps if g.image == MEAN}
    lmbdas = sorted({lmbda for _, lmbda in values})
    if not lmbdas:
        raise ValueError("a figure of gaps needs their means over images; there are none")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.4))
        axes = figure.add_subplot()
        _stack(axes, lmbdas, values)
        _totals(axes, lmbdas, values)
        axes.axhline(0, color="black", lw=0.7)
        axes.set_xticks(range(len(lmbdas)), [f"{lmbda:.4g}" for lmbda in lmbdas])
        unit = words_of(g.image for g in gaps).unit
        axes.set_xlabel(f"λ (bits per {unit} and unit of MSE)")
        axes.set_ylabel(f"gap in J (bits per {unit})")
        axes.set_title(_title(gaps), fontsize=9, loc="left")
        axes.grid(visible=False, axis="x")
        _legend(axes)
    return figure


def _stack(axes: Axes, lmbdas: Sequence[float], values: _Values) -> None:
    """Draw positive parts upwards from zero, negative ones downwards, each with its interval."""
    top, bottom = np.zeros(len(lmbdas)), np.zeros(len(lmbdas))
    parts = [part for part in reversed(PARTS) if any(gap == part for gap, _ in values)]
    for number, part in enumerate(parts):
        heights = np.array([values[part, lmbda].value for lmbda in lmbdas])
        base = np.where(heights >= 0, top, bottom)
        bars = axes.bar(
            range(len(lmbdas)),
            heights,
            0.55,
            base,
            color=_COLOURS[part],
            hatch=_HATCHES[part],
            edgecolor="white",
            lw=0.4,
            label=part,
        )
        for x, lmbda in enumerate(lmbdas):
            gap, place = values[part, lmbda], x + (number - (len(parts) - 1) / 2) * 0.1
            bars[x].set_gid(titles([_title_of(gap)]))
            ends = _whisker(gap)
            if ends is not None:
                axes.errorbar(place, base[x] + gap.value, ends, color="#333333", capsize=2, lw=0.8)
        top, bottom = top + np.maximum(heights, 0), bottom + np.minimum(heights, 0)


def _totals(axes: Axes, lmbdas: Sequence[float], values: _Values) -> None:
    for x, lmbda in enumerate(lmbdas):
        total = values["total", lmbda]
        label = "total" if total.lo is None else "total, 95 %"
        marker, _, _ = axes.errorbar(
            x + 0.36,
            total.value,
            _whisker(total),
            fmt="D",
            color="black",
            ms=3.5,
            capsize=3,
            lw=1,
            label=label if x == 0 else None,
        )
        marker.set_gid(titles([_title_of(total)]))


def _title_of(gap: Gap) -> str:
    return f"{gap.gap}, λ = {gap.lmbda:.4g}: {gap.value:+.4f} bits"


def _whisker(gap: Gap) -> list[list[float]] | None:
    """Return how far the interval reaches down and up, for matplotlib."""
    if gap.lo is None or gap.hi is None:
        return None
    return [[gap.value - gap.lo], [gap.hi - gap.value]]


def _legend(axes: Axes) -> None:
    """Draw the legend, from top to bottom as the bars stack."""
    handles, labels = axes.get_legend_handles_labels()
    entries = sorted(zip(handles, labels, strict=True), key=lambda entry: _place(entry[1]))
    axes.legend(
        *zip(*entries, strict=True),
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=8,
    )


def _place(label: str) -> int:
    return PARTS.index(label) if label in PARTS else len(PARTS)


def _title(gaps: Sequence[Gap]) -> str:
    datasets = ", ".join(sorted({g.dataset for g in gaps}))
    images = {g.image for g in gaps} - {MEAN}
    return f"{datasets}, mean of {words_of(images).counted(len(images))}"
