"""The RD figure: PSNR against rate, with the published curves of the same images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbound import reference
from rdbound.analysis.curves import ImageCurves, from_reference, from_rows, mean_curve
from rdbound.analysis.model_size import architecture_of
from rdbound.methods import method_order
from rdbound.report.figures.style import STYLE
from rdbound.report.wording import words_of
from rdbound.tables.rd import Row

__all__ = ["rd_figure"]

# Okabe & Ito's palette; a method without a style of its own gets matplotlib's next colour.
_STYLES = {
    "exact": ("black", "*"),
    "bound": ("#56B4E9", "o"),
    "bound-refined": ("#0072B2", "s"),
    "bound-prior-scaled": ("#009E73", "o"),
    "bound-layered-ideal": ("#009E73", "d"),
    "bound-layered-coded": ("#009E73", "^"),
    "codec-dithered-ideal": ("#999999", "D"),
    "codec-dithered-coded": ("#999999", "^"),
    "bound-rec-ideal": ("#0072B2", "d"),
    "bound-rec-coded": ("#0072B2", "^"),
    "codec-bits-back-ideal": ("black", "D"),
    "codec-bits-back-coded": ("black", "^"),
    "codec-bits-back-refined-ideal": ("black", "v"),
    "codec-bits-back-refined-coded": ("black", "X"),
    "codec-ideal": ("#F0E442", "D"),
    "codec-coded": ("#E69F00", "^"),
    "codec-refined-ideal": ("#CC79A7", "v"),
    "codec-refined-real": ("#CC79A7", "1"),
    "codec-refined-coded": ("#D55E00", "X"),
    "codec-refined-uniform-ideal": ("#CC79A7", "^"),
    "codec-refined-soft-ideal": ("#CC79A7", "o"),
}
_LINES = ("-", "--", ":", "-.")
_REFERENCES = {
    "vtm-22.0": ("black", "-"),
    "resnet-vae": ("#009E73", "--"),
    "ms2020-vae": ("#999999", "--"),
    "qres-vae-34m": ("#009E73", ":"),
}


def rd_figure(rows: Sequence[Row]) -> Figure:
    """Mean PSNR against mean bits per pixel of every method of one data set.

    On a data set with references, VTM-22.0 and the published bounds are drawn too.
    Raises ValueError for rows of several data sets or none, where the images of a
    curve differ between λ, and where two curves are of different images.
    """
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) != 1:
        raise ValueError(f"an RD figure is of one data set, not of {', '.join(datasets) or 'none'}")
    curves = from_rows(_drawn(rows))
    images = _common(curves.values())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.6))
        axes = figure.add_subplot()
        _draw_curves(axes, curves)
        low, high = _span(axes)
        right = 1.05 * max(float(np.max(np.asarray(line.get_xdata()))) for line in axes.lines)
        _draw_references(axes, datasets[0], images)
        # References run on beyond what the run covers.
        axes.set(xlim=(0.0, right), ylim=(low, high))
        words = words_of(images)
        axes.set_xlabel(f"rate (bits per {words.unit}, mean over {words.item}s)")
        axes.set_ylabel(f"PSNR (dB, mean over {words.item}s)")
        axes.set_title(f"{datasets[0]}, {words.counted(len(images))}", fontsize=9, loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


_COVERED = {
    "bound-layered-ideal": "bound-layered-coded",
    "bound-rec-ideal": "bound",
    "codec-dithered-ideal": "codec-dithered-coded",
    "codec-bits-back-ideal": "codec-bits-back-coded",
    "codec-bits-back-refined-ideal": "codec-bits-back-refined-coded",
    "codec-ideal": "codec-coded",
    "codec-refined-real": "codec-refined-ideal",
}
"""Methods whose curve lies on another's."""


def _drawn(rows: Sequence[Row]) -> list[Row]:
    """Of two curves of a model that look alike, the later only."""
    present = {(r.model, r.method) for r in rows}
    return [r for r in rows if (r.model, _COVERED.get(r.method)) not in present]


def _common(curves: Iterable[ImageCurves]) -> set[str]:
    """The images, the same for all curves; raises ValueError where they are not."""
    first, *others = curves
    for other in others:
        if other.images.keys() != first.images.keys():
            raise ValueError(
                f"{other.name} is of {len(other.images)} images and {first.name} of "
                f"{len(first.images)}, not the same ones: their means do not compare"
            )
    return set(first.images)


def _draw_curves(axes: Axes, curves: Mapping[tuple[str, str, str], ImageCurves]) -> None:
    models = {model for _, model, method in curves if method != "exact"}
    # Bound and codec of one architecture are drawn in one style of line.
    alike = sorted({architecture_of(model) for model in models})
    for key in sorted(curves, key=lambda key: (method_order(key[2]), key[2], key[1])):
        _, model, method = key
        points = mean_curve(curves[key])
        colour, marker = _STYLES.get(method, (None, "."))
        alone = len(models) <= 2 or method == "exact"
        axes.plot(
            points.bpp,
            points.psnr,
            label=method if alone else f"{model} {method}",
            ls=_LINES[0 if alone else alike.index(architecture_of(model)) % len(_LINES)],
            lw=1.3,
            ms=4,
            color=colour,
            marker=marker,
        )


def _span(axes: Axes) -> tuple[float, float]:
    values = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines])
    margin = 0.15 * max(1.0, float(np.ptp(values)))
    return float(values.min()) - margin, float(values.max()) + margin


def _draw_references(axes: Axes, dataset: str, images: set[str]) -> None:
    """The references of just these images; a mean over others is left out."""
    for method, (colour, style) in _REFERENCES.items():
        if not any((dataset, method, p) in reference.curves() for p in (True, False)):
            continue
        found = reference.find_curve(dataset, method)
        curve = _of_images(from_reference(found), images)
        if curve is None:
            continue
        points = mean_curve(curve)
        suffix = "" if found.kind == "codec" else " (published bound)"
        axes.plot(points.bpp, points.psnr, style, color=colour, lw=1.1, label=curve.name + suffix)


def _of_images(curve: ImageCurves, images: set[str]) -> ImageCurves | None:
    """The part of a curve that is of these images; None where there is none."""
    if curve.per_image and images <= curve.images.keys():
        return replace(curve, images={i: curve.images[i] for i in sorted(images)})
    return curve if curve.averaged == len(images) else None
