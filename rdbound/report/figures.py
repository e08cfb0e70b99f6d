"""Figures for papers: vector, readable in print, safe for colour-blind readers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from rdbound import reference
from rdbound.analysis.curves import from_reference, from_rows, mean_curve
from rdbound.analysis.gaps import PARTS, Gap
from rdbound.tables.rd import METHODS, Row

__all__ = ["STYLE", "gap_figure", "rd_figure", "save"]

# Okabe & Ito's palette.
_COLOURS = {
    "bound": "#56B4E9",
    "bound-refined": "#0072B2",
    "codec-ideal": "#F0E442",
    "codec-coded": "#E69F00",
    "codec-refined-ideal": "#CC79A7",
    "codec-refined-coded": "#D55E00",
}
_MARKERS = dict(zip(METHODS, "osD^vX", strict=True))
_GAP_COLOURS = dict(zip(PARTS, ("#999999", "#E69F00", "#56B4E9", "#009E73"), strict=True))
_GAP_HATCHES = dict(zip(PARTS, ("", "//", "..", "xx"), strict=True))
_REFERENCES = {
    "vtm-22.0": ("black", "-"),
    "resnet-vae": ("#009E73", "--"),
    "ms2020-vae": ("#999999", "--"),
    "qres-vae-34m": ("#009E73", ":"),
}
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` (200 dpi) and ``stem.pdf``."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_suffix(".png"), stem.with_suffix(".pdf")]
    for path in paths:
        figure.savefig(path, dpi=200, bbox_inches="tight")
    return paths


def rd_figure(rows: Sequence[Row]) -> Figure:
    """Mean PSNR against mean bits per pixel of every method of one data set.

    On a data set with references, VTM-22.0 and the published bounds are drawn too.
    Raises ValueError for rows of several data sets.
    """
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) != 1:
        raise ValueError(f"an RD figure is of one data set, not of {', '.join(datasets)}")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.6))
        axes = figure.add_subplot()
        curves = from_rows([r for r in rows if r.method != "codec-ideal"])
        models = {model for _, model, _ in curves}
        for (_, model, method), curve in sorted(curves.items(), key=_by_method):
            points = mean_curve(curve)
            label = method if len(models) <= 2 else f"{model} {method}"
            axes.plot(points.bpp, points.psnr, label=label, lw=1.3, ms=4,
                      color=_COLOURS.get(method), marker=_MARKERS.get(method, "."))  # fmt: skip
        low, high = _span(axes)
        right = 1.05 * max(float(np.max(np.asarray(line.get_xdata()))) for line in axes.lines)
        images = {r.image for r in rows}
        _draw_references(axes, datasets[0], images)
        # References run on beyond what the run covers.
        axes.set(xlim=(0.0, right), ylim=(low, high))
        count = len(images)
        axes.set_xlabel("rate (bits per pixel, mean over images)")
        axes.set_ylabel("PSNR (dB, mean over images)")
        axes.set_title(f"{datasets[0]}, {count} images", fontsize=9, loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


def _by_method(item) -> tuple:
    (_, model, method), _ = item
    order = METHODS.index(method) if method in METHODS else len(METHODS)
    return order, method, model


def _span(axes) -> tuple[float, float]:
    values = np.concatenate([line.get_ydata() for line in axes.lines])
    margin = 0.15 * max(1.0, float(np.ptp(values)))
    return float(values.min()) - margin, float(values.max()) + margin


def _draw_references(axes, dataset: str, images: set[str]) -> None:
    """The references of just these images; a mean over others is left out."""
    for method, (colour, style) in _REFERENCES.items():
        if not any((dataset, method, p) in reference.curves() for p in (True, False)):
            continue
        found = reference.find_curve(dataset, method)
        curve = from_reference(found)
        if curve.per_image and images <= curve.images.keys():
            curve = replace(curve, images={i: curve.images[i] for i in sorted(images)})
        elif curve.averaged != len(images):
            continue
        points = mean_curve(curve)
        suffix = "" if found.kind == "codec" else " (published bound)"
        axes.plot(points.bpp, points.psnr, style, color=colour, lw=1.1,
                  label=curve.name + suffix)  # fmt: skip


def gap_figure(gaps: Sequence[Gap]) -> Figure:
    """Stacked bars of the mean gaps at each λ, in bits per pixel, with 95 % intervals.

    A negative gap hangs below zero. The total's interval is drawn in black,
    beside the stack, so that it hides none of the parts.
    """
    means = [g for g in gaps if g.image == "mean"]
    lmbdas = sorted({g.lmbda for g in means})
    values = {(g.gap, g.lmbda): g for g in means}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.4))
        axes = figure.add_subplot()
        _stack(axes, lmbdas, values)
        for x, lmbda in enumerate(lmbdas):
            total = values["total", lmbda]
            whisker = None
            if total.lo is not None and total.hi is not None:
                whisker = [[total.value - total.lo], [total.hi - total.value]]
            axes.errorbar(x + 0.36, total.value, whisker, fmt="D", color="black", ms=3.5,
                          capsize=3, lw=1, label="total, 95 %" if x == 0 else None)  # fmt: skip
        axes.axhline(0, color="black", lw=0.7)
        axes.set_xticks(range(len(lmbdas)), [f"{lmbda:.4g}" for lmbda in lmbdas])
        axes.set_xlabel("λ (per MSE on 0–255)")
        axes.set_ylabel("gap in J (bits per pixel)")
        axes.set_title(_gap_title(gaps), fontsize=9, loc="left")
        axes.grid(visible=False, axis="x")
        handles, labels = axes.get_legend_handles_labels()
        # From top to bottom as the bars stack.
        entries = sorted(zip(handles, labels, strict=True), key=lambda e: _place(e[1]))
        axes.legend(*zip(*entries, strict=True), loc="center left", bbox_to_anchor=(1.01, 0.5),
                    frameon=False, fontsize=8)  # fmt: skip
    return figure


def _place(label: str) -> int:
    return PARTS.index(label) if label in PARTS else len(PARTS)


def _stack(axes, lmbdas, values) -> None:
    """Positive parts upwards from zero, negative ones downwards, each with its interval."""
    top, bottom = np.zeros(len(lmbdas)), np.zeros(len(lmbdas))
    for number, part in enumerate(reversed(PARTS)):
        heights = np.array([values[part, lmbda].value for lmbda in lmbdas])
        base = np.where(heights >= 0, top, bottom)
        axes.bar(range(len(lmbdas)), heights, 0.55, base, color=_GAP_COLOURS[part],
                 hatch=_GAP_HATCHES[part], edgecolor="white", lw=0.4, label=part)  # fmt: skip
        for x, lmbda in enumerate(lmbdas):
            gap = values[part, lmbda]
            if gap.lo is not None and gap.hi is not None:
                ends = [[gap.value - gap.lo], [gap.hi - gap.value]]
                place = x + (number - 1.5) * 0.11
                axes.errorbar(place, base[x] + gap.value, ends, color="#333333", capsize=2, lw=0.8)
        top, bottom = top + np.maximum(heights, 0), bottom + np.minimum(heights, 0)


def _gap_title(gaps: Sequence[Gap]) -> str:
    datasets = ", ".join(sorted({g.dataset for g in gaps}))
    images = len({g.image for g in gaps} - {"mean"})
    return f"{datasets}, mean of {images} image{'s' if images > 1 else ''}"
