"""Figures of model sizes: BD-rate of bounds and codecs, gains of refinement, and their distance.

Figures 2 to 4 of Zhang & Liu 2025 (arXiv 2501.12330).
"""

from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from rdbound.analysis.bd_rate import BDRate
from rdbound.analysis.model_size import Effect
from rdbound.report.figures.style import STYLE

__all__ = [
    "REFINED",
    "SIZE_UNIT",
    "effects_with_values",
    "gain_figure",
    "separation_figure",
    "size_figure",
]

SIZE_UNIT = "kMAC per pixel"
REFINED = {False: "amortized", True: "refined"}
# Okabe & Ito's palette.
_FAMILIES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
_COLOURS = {"bound": "#56B4E9", "codec": "#E69F00", False: "#CC79A7", True: "#0072B2"}


def effects_with_values(
    found: Sequence[Effect],
    effect: str,
    form: str | None = None,
    family: str | None = None,
    refined: bool | None = None,
) -> list[Effect]:
    """Return the effects of a kind that have a number, optionally of one form, family or state."""
    return [
        one
        for one in found
        if one.effect == effect
        and isinstance(one.value, BDRate)
        and form in (None, one.form)
        and family in (None, one.family)
        and refined in (None, one.refined)
    ]


def size_figure(found: Sequence[Effect], form: str, anchor: str) -> Figure:
    """Return BD-rate of a form against model size, a line each family, dashed if amortized."""

    def draw(axes: Axes) -> None:
        families = list(dict.fromkeys(one.family for one in found))
        for family, (colour, marker) in zip(families, _FAMILIES, strict=False):
            for refined, style in ((False, "--"), (True, "-")):
                own = effects_with_values(found, "rate", form=form, family=family, refined=refined)
                own.sort(key=lambda one: one.size)
                if own:
                    axes.errorbar(
                        [one.size for one in own],
                        _values(own),
                        _reaches(own),
                        fmt=style,
                        marker=marker,
                        color=colour,
                        mfc=colour if refined else "white",
                        capsize=2,
                        lw=1.2,
                        ms=5,
                        label=f"{family}, {REFINED[refined]}",
                    )
        axes.axhline(0.0, color="black", lw=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xticks(
            sorted({one.size for one in found}),
            [f"{s:.3g}" for s in sorted({one.size for one in found})],
        )
        axes.minorticks_off()
        axes.set_xlabel(f"size ({SIZE_UNIT}, encoder and decoder)")
        axes.set_ylabel(f"BD-rate of the {form} against {anchor} (%)")

    return _figure(draw, found)


def gain_figure(found: Sequence[Effect]) -> Figure:
    """Return by how much refinement lowers the rate of each architecture, bound and codec."""

    def draw(axes: Axes) -> None:
        for place, form in enumerate(("bound", "codec")):
            _bars(
                axes,
                found,
                effects_with_values(found, "gain", form=form),
                place,
                _COLOURS[form],
                form,
            )
        axes.set_ylabel("BD-rate of refined against amortized (%)")

    return _figure(draw, found)


def separation_figure(found: Sequence[Effect]) -> Figure:
    """Return how far the codec's bytes of each architecture lie above its bound."""

    def draw(axes: Axes) -> None:
        for place, refined in enumerate((False, True)):
            own = effects_with_values(found, "gap", refined=refined)
            _bars(axes, found, own, place, _COLOURS[refined], REFINED[refined])
        axes.set_ylabel("BD-rate of the codec against the bound (%)")

    return _figure(draw, found)


def _figure(draw: Callable[[Axes], None], found: Sequence[Effect]) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.4))
        axes = figure.add_subplot()
        draw(axes)
        images = max(len(one.value.images) for one in found if isinstance(one.value, BDRate))
        axes.set_title(
            f"mean of up to {images} images, 95 % intervals over them", fontsize=9, loc="left"
        )
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


def _bars(
    axes: Axes,
    found: Sequence[Effect],
    own: Sequence[Effect],
    place: int,
    colour: str,
    label: str,
) -> None:
    """Draw bars by size; the second bar of each architecture stands beside the first."""
    if not own:
        return
    effect = own[0].effect
    sizes = {one.architecture: one.size for one in found if one.effect == effect}
    names = sorted(sizes, key=lambda name: (sizes[name], name))
    at = np.array([names.index(one.architecture) for one in own]) + 0.38 * (place - 0.5)
    axes.bar(at, _values(own), 0.36, color=colour, label=label)
    axes.errorbar(at, _values(own), _reaches(own), fmt="none", color="#333333", capsize=2, lw=1)
    axes.axhline(0.0, color="black", lw=0.8)
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axes.grid(visible=False, axis="x")


def _values(own: Sequence[Effect]) -> list[float]:
    return [one.value.value for one in own if isinstance(one.value, BDRate)]


def _reaches(own: Sequence[Effect]) -> np.ndarray:
    """Return how far the intervals reach down and up, zero without an interval: [2, n]."""
    ends = [
        (one.value.value - low, high - one.value.value)
        for one in own
        if isinstance(one.value, BDRate)
        for low, high in [one.value.interval or (one.value.value, one.value.value)]
    ]
    return np.array(ends).reshape(-1, 2).T
