"""Figures of known answers: R(D) of a source, its bounds and the area between them."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rdbound.analysis.bound_envelopes import exact_curve, highest_line, lower_hull
from rdbound.report.figures.style import STYLE
from rdbound.tables.estimates import Answer

__all__ = ["small_multiples", "source_figure"]

# Okabe & Ito's palette and Tol's; these methods look the same in every figure.
_STYLES = {
    "blahut-arimoto": ("#E69F00", "s"),
    "wasserstein": ("#56B4E9", "o"),
    "wasserstein-hybrid": ("#0072B2", "o"),
    "nerd": ("#CC79A7", "^"),
    "neural-upper": ("#D55E00", "D"),
    "neural-upper-full": ("#882255", "P"),
    "neural-upper-autoregressive": ("#332288", "X"),
    "neural-upper-mixture": ("#44AA99", "<"),
    "neural-upper-flow": ("#AA4499", ">"),
    "neural-lower": ("#009E73", "v"),
    "shannon-lower": ("#999999", "v"),
}
_SPARE = (("#999933", "*"), ("#DDCC77", "h"), ("#117733", "p"))
NARROW = 4.0  # a range of D that needs no logarithmic axis


_Styles = dict[str, tuple[str, str]]  # colour and marker by method


def _styles(answers: Sequence[Answer]) -> _Styles:
    """Return colour and marker of every method; methods without their own share the spare ones."""
    others = sorted({a.method for a in answers} - {*_STYLES, "exact"})
    return _STYLES | {method: _SPARE[i % len(_SPARE)] for i, method in enumerate(others)}


def source_figure(answers: Sequence[Answer]) -> Figure:
    """Draw R(D) of one source with every method's points.

    Raises:
      ValueError: if the answers are of several sources.
    """
    sources = {a.source for a in answers}
    if len(sources) != 1:
        raise ValueError(f"this figure is of one source, not of {len(sources)}")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.8, 3.2), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, answers, _styles(answers))
        # Beside the axes: with so many methods no corner is free.
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def small_multiples(answers: Sequence[Answer]) -> Figure:
    """Draw a page with a panel for each source and one legend.

    Raises:
      ValueError: if there are no answers.
    """
    sources = list(dict.fromkeys(a.source for a in answers))
    if not sources:
        raise ValueError("a page of known answers needs at least one answer")
    columns = min(3, len(sources))
    rows = math.ceil(len(sources) / columns)
    styles = _styles(answers)  # for all panels, since they share a legend
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.7 * columns, 2.3 * rows + 0.6), layout="constrained")
        grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axes, source in zip(grid, sources, strict=False):
            _draw(axes, [a for a in answers if a.source == source], styles)
        for axes in grid[len(sources) :]:
            axes.set_visible(False)
        _shared_legend(figure, list(grid[: len(sources)]))
    return figure


def _shared_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """Draw one legend of all panels below them."""
    handles: dict[str, Artist] = {}
    for axes in panels:
        found, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, found, strict=True))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=4,
        fontsize=7,
        frameon=False,
    )


def _draw(axes: Axes, answers: Sequence[Answer], styles: _Styles) -> None:
    """Draw the exact curve, the area between the best bounds, and a marker for each estimate.

    A lower bound is drawn as the highest of its supporting lines.
    """
    axes.set_title(answers[0].source, fontsize=8)
    axes.set_xlabel("D per dimension")
    axes.set_ylabel("R (bits per dimension)")
    d = _distortions(answers)
    _scale(axes, d)
    _shade(axes, answers, d)
    truth = exact_curve(answers)
    if len(truth[0]):
        axes.plot(*truth, color="black", lw=1, label="exact R(D)", zorder=1)
    _draw_lower(axes, answers, styles, d)
    _draw_points(axes, answers, styles)
    axes.set_xlim(d[0], d[-1])
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), max(1.06 * axes.dataLim.y1, axes.get_ylim()[1]))


def _draw_lower(axes: Axes, answers: Sequence[Answer], styles: _Styles, d: np.ndarray) -> None:
    for method in dict.fromkeys(a.method for a in answers if a.side == "lower"):
        lines = highest_line([a for a in answers if a.method == method], d)
        axes.plot(
            d,
            np.where(lines > 0, lines, np.nan),
            lw=1,
            color=styles[method][0],
            ls="--",
            label=method,
        )


def _draw_points(axes: Axes, answers: Sequence[Answer], styles: _Styles) -> None:
    for method in dict.fromkeys(a.method for a in answers if a.side != "lower"):
        if method == "exact":  # it is the line
            continue
        points = sorted((a.distortion, a.rate) for a in answers if a.method == method)
        colour, marker = styles[method]
        axes.plot(
            *zip(*points, strict=True),
            ls="",
            marker=marker,
            ms=4,
            color=colour,
            mfc="none",
            label=method,
        )


def _scale(axes: Axes, d: np.ndarray) -> None:
    """Make the axis of D logarithmic if its range is large, with few enough labels."""
    axes.tick_params(labelsize=7)
    if d[-1] < NARROW * d[0]:
        axes.xaxis.set_major_locator(MaxNLocator(4))
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda d, _: f"{d:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _distortions(answers: Sequence[Answer]) -> np.ndarray:
    """Return a grid of D over the points drawn; over lower bounds if there are no others."""
    positive = [a for a in answers if a.distortion > 0]  # the axis is logarithmic
    drawn = [a.distortion for a in positive if a.side != "lower"]
    drawn = drawn or [a.distortion for a in positive] or [1.0]
    return np.geomspace(0.9 * min(drawn), 1.1 * max(drawn), 400)


def _shade(axes: Axes, answers: Sequence[Answer], d: np.ndarray) -> None:
    """Shade the area between the hull of the upper bounds and the highest supporting line."""
    upper = [a for a in answers if a.is_upper_bound]
    lower = [a for a in answers if a.side == "lower"]
    if not upper or not lower:
        return
    lines, hull = highest_line(lower, d), lower_hull(upper, d)
    inside = np.isfinite(hull) & (hull > lines)
    bottom, top = np.maximum(lines, 0.0), np.where(inside, hull, 0.0)
    axes.fill_between(
        d,
        bottom,
        top,
        where=inside.tolist(),
        color="#DDDDDD",
        lw=0,
        label="between the bounds",
        zorder=0,
    )
