"""The report of sizes: figures 2 to 5 of Zhang & Liu 2025, of whatever models a table has."""

from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from rdbound.analysis.bd_rate import BDRate
from rdbound.analysis.model_size import Contrast, Effect, contrasts
from rdbound.report.document import Block, Document, Note, Picture, Section, Table
from rdbound.report.figures.rd import rd_figure
from rdbound.report.figures.style import STYLE
from rdbound.tables.rd import Row

__all__ = ["gain_figure", "observations", "scaling_report", "separation_figure", "size_figure"]

# Okabe & Ito's palette.
_FAMILIES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
_BARS = {"bound": "#56B4E9", "codec": "#E69F00", False: "#CC79A7", True: "#0072B2"}
_NAMES = {False: "amortized", True: "refined"}


def scaling_report(
    rows: Sequence[Row], found: Sequence[Effect], anchor: str, unit: str = "kMAC per pixel"
) -> Document:
    """Table, figures, and what they say about the paper's observations.

    Args:
      rows: that the effects are of.
      found: effects.
      anchor: what the BD-rates are against, in words.
      unit: of the sizes.
    """
    blocks: list[Block] = [_table(found, anchor, unit)]
    for form in ("bound", "codec"):
        if _having(found, "rate", form=form):
            figure = size_figure(found, form, anchor, unit)
            blocks.append(Picture(figure, f"{form}_by_size", f"BD-rate of the {form} by size"))
    if _having(found, "gain"):
        blocks.append(Picture(gain_figure(found), "refinement_gain", "What refinement gains"))
    if _having(found, "gap"):
        blocks.append(Picture(separation_figure(found), "bound_codec_gap", "From bound to codec"))
    curves = Picture(rd_figure(rows), "rd_curve", "PSNR against rate")
    return Document(
        "By size",
        (
            Section("By size", tuple(blocks)),
            Section("What the sizes say", tuple(Note(text) for text in observations(found))),
            Section("Rate and distortion", (curves,)),
        ),
    )


def _having(found: Sequence[Effect], effect: str, **attributes) -> list[Effect]:
    """The effects that have a number."""
    return [
        one
        for one in found
        if one.effect == effect
        and isinstance(one.value, BDRate)
        and all(getattr(one, key) == value for key, value in attributes.items())
    ]


def _table(found: Sequence[Effect], anchor: str, unit: str) -> Table:
    heads = {
        ("rate", "bound"): f"bound against {anchor}",
        ("gain", "bound"): "gain, bound",
        ("rate", "codec"): f"codec against {anchor}",
        ("gain", "codec"): "gain, codec",
        ("gap", "both"): "codec against bound",
    }
    cells = {(one.architecture, one.refined, one.effect, one.form): str(one.value) for one in found}
    rows = []
    for name, size in dict.fromkeys((one.architecture, one.size) for one in found):
        for refined in (False, True):
            own = [cells.get((name, refined, *key), "–") for key in heads]
            if set(own) != {"–"}:
                rows.append((name, f"{size:.3g}", _NAMES[refined], *own))
    return Table(("architecture", unit, "variational parameters", *heads.values()), rows)


def size_figure(found: Sequence[Effect], form: str, anchor: str, unit: str) -> Figure:
    """BD-rate of a form against model size, a line each family, dashed where amortized."""

    def draw(axes: Axes) -> None:
        families = list(dict.fromkeys(one.family for one in found))
        for family, (colour, marker) in zip(families, _FAMILIES, strict=False):
            for refined, style in ((False, "--"), (True, "-")):
                own = _having(found, "rate", form=form, family=family, refined=refined)
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
                        label=f"{family}, {_NAMES[refined]}",
                    )
        axes.axhline(0.0, color="black", lw=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xticks(
            sorted({one.size for one in found}),
            [f"{s:.3g}" for s in sorted({one.size for one in found})],
        )
        axes.minorticks_off()
        axes.set_xlabel(f"size ({unit}, encoder and decoder)")
        axes.set_ylabel(f"BD-rate of the {form} against {anchor} (%)")

    return _figure(draw, found)


def gain_figure(found: Sequence[Effect]) -> Figure:
    """By how much refinement lowers the rate of each architecture, bound and codec."""

    def draw(axes: Axes) -> None:
        for place, form in enumerate(("bound", "codec")):
            _bars(axes, found, _having(found, "gain", form=form), place, _BARS[form], form)
        axes.set_ylabel("BD-rate of refined against amortized (%)")

    return _figure(draw, found)


def separation_figure(found: Sequence[Effect]) -> Figure:
    """How far the codec's bytes of each architecture lie above its bound."""

    def draw(axes: Axes) -> None:
        for place, refined in enumerate((False, True)):
            own = _having(found, "gap", refined=refined)
            _bars(axes, found, own, place, _BARS[refined], _NAMES[refined])
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


def _bars(axes: Axes, found, own: Sequence[Effect], place: int, colour: str, label: str) -> None:
    """By size; the second bar of each architecture stands beside the first."""
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
    """How far the intervals reach down and up, zero where there is none: [2, n]."""
    ends = [
        (one.value.value - low, high - one.value.value)
        for one in own
        if isinstance(one.value, BDRate)
        for low, high in [one.value.interval or (one.value.value, one.value.value)]
    ]
    return np.array(ends).reshape(-1, 2).T


def observations(found: Sequence[Effect]) -> list[str]:
    """The observations of the paper, each with what these models say of it."""
    refined = any(one.refined and one.effect == "rate" for one in found)
    told = []
    for text, effect, form, less in (
        ("Bounds fall faster with size than codecs", "rate", "bound", "codec"),
        ("Refinement gains of bounds shrink with size", "gain", "bound", None),
        ("Refinement gains of codecs shrink with size", "gain", "codec", None),
        ("The gap between bound and codec widens with size", "gap", "both", None),
    ):
        # A gain is negative: what shrinks rises towards zero.
        expected = -1.0 if effect == "rate" else 1.0
        own = contrasts(found, effect, form, refined or effect == "gain", less)
        told.append(
            f"**{text}:** "
            + ("; ".join(_said(one, expected) for one in own) or "these models cannot tell")
            + "."
        )
    return told


def _said(one: Contrast, expected: float) -> str:
    ends = one.interval
    number = f"{one.value:+.1f} points from {one.smallest} to {one.largest}"
    if ends is None:
        return f"{number} over {one.images} images, too few to tell"
    low, high = ends
    known = (
        "repeated"
        if expected * (low if expected > 0 else high) > 0
        else ("the opposite" if expected * (high if expected > 0 else low) < 0 else "cannot tell")
    )
    return f"{known} ({number} [{low:+.1f}, {high:+.1f}], {one.images} images)"
