"""What the results page draws, as Plotly figures that answer to the pointer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import ImageCurves, from_reference, from_rows
from rdbound.analysis.gaps import PARTS
from rdbound.analysis.image_sets import bare_names
from rdbound.methods import kind_of, method_order
from rdbound.reference import curves
from rdbound.report.wording import words_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN, Row

__all__ = ["bd_rate_plot", "gap_plot", "image_table", "rd_plot"]

_LAYOUT = {
    "template": "plotly_white",
    "margin": {"l": 60, "r": 20, "t": 60, "b": 50},
    "font": {"family": "system-ui, sans-serif", "size": 13},
}
_MOST = 40  # images that a menu lists
_Key = tuple[str, str]  # (model, method)
_Trace = tuple[list[float], list[float], list[str]]  # bpp, PSNR, what hovering says


def rd_plot(rows: Sequence[Row]) -> go.Figure:
    """PSNR against rate of every method and of the published curves: the mean, or an image.

    Hovering tells rate, quality, λ and the size of the file; a menu chooses the image, another
    the axis of rates.
    """
    own = _by_curve(rows)
    names = bare_names(row.image for row in rows)
    images = sorted(names)[:_MOST]
    published = _published(rows[0].dataset, set(names.values()))
    places: list[str | None] = [None, *images]
    figure = go.Figure(layout=_LAYOUT)
    for (model, method), group in own.items():
        bpp, psnr, said = _trace(group, None)
        figure.add_scatter(
            x=bpp,
            y=psnr,
            text=said,
            name=f"{model} {method}",
            mode="lines+markers",
            hovertemplate="%{text}",
        )
    for curve in published:
        bpp, psnr, said = _published_trace(curve, names.values())
        figure.add_scatter(
            x=bpp,
            y=psnr,
            text=said,
            name=curve.name,
            mode="lines",
            line={"dash": "dash"},
            hovertemplate="%{text}",
        )
    buttons = []
    for place in places:
        traces = [_trace(group, place) for group in own.values()]
        chosen = list(names.values()) if place is None else [names[place]]
        traces += [_published_trace(curve, chosen) for curve in published]
        x, y, text = (list(part) for part in zip(*traces, strict=True))
        label = MEAN if place is None else place
        buttons.append(_button(label, "restyle", {"x": x, "y": y, "text": text}))
    axes = [
        _button(f"{kind} rates", "relayout", {"xaxis.type": kind}) for kind in ("linear", "log")
    ]
    unit = words_of(names).unit
    figure.update_layout(
        updatemenus=[_menu(buttons, 0.0), _menu(axes, 0.35)],
        height=520,
        xaxis_title=f"rate (bits per {unit})",
        yaxis_title="PSNR (dB)",
    )
    return figure


def bd_rate_plot(rows: Sequence[Row], anchors: Mapping[str, ImageCurves]) -> go.Figure | None:
    """BD-rate of every curve with its interval, against the anchor that a menu chooses.

    None where no curve has a BD-rate against any.
    """
    own = from_rows(rows)
    bars = {name: found for name, base in anchors.items() if (found := _bars(base, own))}
    if not bars:
        return None
    figure = go.Figure(layout=_LAYOUT)
    first = next(iter(bars.values()))
    figure.add_bar(**first, hovertemplate="%{y:+.2f} %<extra></extra>")
    buttons = [
        _button(
            f"against {name}",
            "restyle",
            {"x": [bar["x"]], "y": [bar["y"]], "error_y": [bar["error_y"]]},
        )
        for name, bar in bars.items()
    ]
    figure.update_layout(updatemenus=[_menu(buttons, 0.0)], yaxis_title="BD-rate (%)", height=420)
    return figure


def gap_plot(gaps: Sequence[Gap]) -> go.Figure | None:
    """The mean gaps by λ, stacked, the total with its interval; None of none."""
    means = {(g.gap, g.lmbda): g for g in gaps if g.image == MEAN}
    lmbdas = sorted({lmbda for _, lmbda in means})
    if not lmbdas:
        return None
    labels = [f"λ = {lmbda:.4g}" for lmbda in lmbdas]
    figure = go.Figure(layout=_LAYOUT)
    for part in PARTS:
        own = [means.get((part, lmbda)) for lmbda in lmbdas]
        if any(own):
            figure.add_bar(
                x=labels,
                y=[g.value if g else None for g in own],
                name=part,
                hovertemplate="%{y:+.4f} bits<extra>" + part + "</extra>",
            )
    totals = [means["total", lmbda] for lmbda in lmbdas if ("total", lmbda) in means]
    figure.add_scatter(
        x=labels,
        y=[g.value for g in totals],
        name="total",
        mode="markers",
        marker={"color": "black", "symbol": "diamond"},
        error_y=_whiskers([g.value for g in totals], [(g.lo, g.hi) for g in totals]),
        hovertemplate="%{y:+.4f} bits<extra>total</extra>",
    )
    unit = words_of(g.image for g in gaps).unit
    figure.update_layout(barmode="relative", yaxis_title=f"gap in J (bits per {unit})", height=420)
    return figure


def image_table(rows: Sequence[Row]) -> go.Figure:
    """Every row, in the order of the column that a menu chooses."""
    columns: dict[str, Callable[[Row], Any]] = {
        "image": lambda r: r.image,
        "method": lambda r: r.method,
        "model": lambda r: r.model,
        "λ": lambda r: r.lmbda,
        "bpp": lambda r: r.bpp,
        "PSNR": lambda r: r.psnr,
        "MS-SSIM": lambda r: -1.0 if r.ms_ssim is None else r.ms_ssim,
        "J": lambda r: r.J,
        "bytes": lambda r: -1 if r.bytes is None else r.bytes,
    }
    shown = [row for row in rows if row.method != "floor"]
    order = lambda get: sorted(shown, key=lambda r: (get(r), method_order(r.method)))  # noqa: E731
    cells = lambda chosen: [[_cell(get(r)) for r in chosen] for get in columns.values()]  # noqa: E731
    figure = go.Figure(layout=_LAYOUT)
    figure.add_table(
        header={"values": list(columns), "align": "left"},
        cells={"values": cells(order(columns["image"])), "align": "left"},
        columnwidth=[2, 2, 2, 1, 1, 1, 1, 1, 1],
    )
    if len(shown) * len(columns) <= _SORTED:
        buttons = [
            _button(f"by {name}", "restyle", {"cells.values": [cells(order(get))]})
            for name, get in columns.items()
            if name in _ORDERS
        ]
        figure.update_layout(updatemenus=[_menu(buttons, 0.0)])
    figure.update_layout(height=520)
    return figure


_ORDERS = ("image", "method", "bpp", "PSNR", "J")
_SORTED = 6000  # cells of a table that is carried in several orders


def _cell(value: Any) -> str:
    if isinstance(value, str | int):
        return "–" if value == -1 else str(value)
    return "–" if value == -1.0 else f"{value:.4g}"


def _by_curve(rows: Sequence[Row]) -> dict[_Key, list[Row]]:
    found: dict[_Key, list[Row]] = {}
    for row in sorted(rows, key=lambda r: (method_order(r.method), r.model, r.bpp)):
        if kind_of(row.method) != "floor":
            found.setdefault((row.model, row.method), []).append(row)
    return found


def _trace(rows: Sequence[Row], image: str | None) -> _Trace:
    """Of one curve: the points of an image, or the means over all."""
    by_lmbda: dict[float, list[Row]] = {}
    for row in rows:
        if image in (None, row.image):
            by_lmbda.setdefault(row.lmbda, []).append(row)
    points = []
    for lmbda, group in by_lmbda.items():
        bpp, psnr = (sum(getattr(r, n) for r in group) / len(group) for n in ("bpp", "psnr"))
        size = [r.bytes for r in group if r.bytes is not None]
        told = f"<br>{sum(size) / len(size):,.0f} bytes" if size else ""
        points.append((bpp, psnr, f"{bpp:.4f} bpp, {psnr:.2f} dB<br>λ = {lmbda:.4g}{told}"))
    return _columns(points)


def _published(dataset: str, images: set[str]) -> list[ImageCurves]:
    """The references of one data set that are known of these images."""
    return [
        from_reference(c)
        for (name, _, _), c in curves().items()
        if name == dataset and c.per_image and images <= {p.image for p in c.points}
    ]


def _published_trace(curve: ImageCurves, images: Iterable[str]) -> _Trace:
    """The means over images, setting by setting."""
    chosen = [curve.images[image] for image in images]
    count = min(len(p.bpp) for p in chosen)
    points = []
    for k in range(count):
        bpp, psnr = (
            float(sum(getattr(p, n)[k] for p in chosen) / len(chosen)) for n in ("bpp", "psnr")
        )
        points.append((bpp, psnr, f"{bpp:.4f} bpp, {psnr:.2f} dB<br>{curve.name}"))
    return _columns(points)


def _columns(points: Sequence[tuple[float, float, str]]) -> _Trace:
    ordered = sorted(points)
    return (
        [round(p[0], 5) for p in ordered],
        [round(p[1], 3) for p in ordered],
        [p[2] for p in ordered],
    )


def _bars(base: ImageCurves, own: Mapping[tuple, ImageCurves]) -> dict[str, Any] | None:
    names, values, ends = [], [], []
    for (_, model, method), curve in own.items():
        try:
            value = compare(base, curve)
        except ValueError:
            continue
        names.append(f"{model}<br>{method}")
        values.append(round(value.value, 3))
        ends.append(value.interval or (None, None))
    if not values:
        return None
    return {"x": names, "y": values, "error_y": _whiskers(values, ends)}


def _whiskers(values: Sequence[float], ends: Sequence[tuple]) -> dict[str, Any]:
    up = [0 if hi is None else round(hi - v, 5) for v, (_, hi) in zip(values, ends, strict=True)]
    down = [0 if lo is None else round(v - lo, 5) for v, (lo, _) in zip(values, ends, strict=True)]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down}


def _button(label: str, method: str, change: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "method": method, "args": [change]}


def _menu(buttons: Sequence[dict[str, Any]], x: float) -> dict[str, Any]:
    return {
        "buttons": list(buttons),
        "x": x,
        "xanchor": "left",
        "y": 1.16,
        "yanchor": "top",
        "direction": "down",
    }
