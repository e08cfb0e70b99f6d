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
from rdbound.methods import METHODS, label_of, method_order
from rdbound.report.figures.style import STYLE, titles
from rdbound.report.wording import words_of
from rdbound.tables.rd import Row

__all__ = ["rd_figure"]

_LINES = ("-", "--", ":", "-.")
_REFERENCES = {
    "vtm-22.0": ("black", "-"),
    "resnet-vae": ("#009E73", "--"),
    "ms2020-vae": ("#999999", "--"),
    "qres-vae-34m": ("#009E73", ":"),
}


def rd_figure(rows: Sequence[Row]) -> Figure:
    """Return mean PSNR against mean bits per pixel of every method of one data set.

    On a data set with references, VTM-22.0 and the published bounds are drawn too.

    Raises:
      ValueError: the rows are of several data sets or none, the images of a curve differ between
        λ, or two curves are of different images.
    """
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) != 1:
        raise ValueError(f"an RD figure is of one data set, not of {', '.join(datasets) or 'none'}")
    drawn = _drawn(rows)
    curves = from_rows(drawn)
    images = _common(curves.values())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.6))
        axes = figure.add_subplot()
        _draw_curves(axes, curves, drawn)
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


def _drawn(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without curves that another one of the same model hides."""
    present = {(r.model, r.method) for r in rows}
    hidden = {
        (model, method)
        for model, method in present
        if method in METHODS and (model, METHODS[method].covered_by) in present
    }
    return [r for r in rows if (r.model, r.method) not in hidden]


def _common(curves: Iterable[ImageCurves]) -> set[str]:
    """Return the images of all curves; raise ValueError if they differ."""
    first, *others = curves
    for other in others:
        if other.images.keys() != first.images.keys():
            raise ValueError(
                f"{other.name} is of {len(other.images)} images and {first.name} of "
                f"{len(first.images)}, not the same ones: their means do not compare"
            )
    return set(first.images)


def _draw_curves(
    axes: Axes, curves: Mapping[tuple[str, str, str], ImageCurves], rows: Sequence[Row]
) -> None:
    own: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        own.setdefault((row.model, row.method), []).append(row)
    models = {model for _, model, method in curves if method != "exact"}
    # Bound and codec of one architecture are drawn in one style of line.
    alike = sorted({architecture_of(model) for model in models})
    for key in sorted(curves, key=lambda key: (method_order(key[2]), key[2], key[1])):
        _, model, method = key
        points = mean_curve(curves[key])
        style = METHODS[method].style if method in METHODS else None
        colour, marker = style or (None, ".")
        alone = len(models) <= 2 or method == "exact"
        name = label_of(method) if alone else f"{model} {label_of(method)}"
        (line,) = axes.plot(
            points.bpp,
            points.psnr,
            label=name,
            ls=_LINES[0 if alone else alike.index(architecture_of(model)) % len(_LINES)],
            lw=1.3,
            ms=4,
            color=colour,
            marker=marker,
        )
        line.set_gid(titles(f"{name}, {text}" for text in _point_texts(own[model, method])))


def _point_texts(rows: Sequence[Row]) -> list[str]:
    """Return λ, mean rate, mean PSNR and mean size of the points of a curve, by rate."""
    points = []
    for lmbda in {row.lmbda for row in rows}:
        own = [row for row in rows if row.lmbda == lmbda]
        bpp, psnr = (float(np.mean([getattr(r, n) for r in own])) for n in ("bpp", "psnr"))
        sizes = [r.bytes for r in own if r.bytes is not None]
        size = f", {np.mean(sizes):,.0f} bytes" if sizes else ""
        points.append((bpp, f"λ = {lmbda:.4g}: {bpp:.4f} bpp, {psnr:.2f} dB{size}"))
    return [text for _, text in sorted(points)]


def _span(axes: Axes) -> tuple[float, float]:
    values = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines])
    margin = 0.15 * max(1.0, float(np.ptp(values)))
    return float(values.min()) - margin, float(values.max()) + margin


def _draw_references(axes: Axes, dataset: str, images: set[str]) -> None:
    """Draw the references of just these images; a mean over others is left out."""
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
    """Return the part of a curve that is of these images, None if there is none."""
    if curve.per_image and images <= curve.images.keys():
        return replace(curve, images={i: curve.images[i] for i in sorted(images)})
    return curve if curve.averaged == len(images) else None
