"""Curves of any origin in one figure: quality against rate."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rdbound.analysis.curves import ImageCurves, mean_curve
from rdbound.report.figures.style import STYLE

__all__ = ["curves_figure"]


def curves_figure(curves: Sequence[ImageCurves], quality: str) -> Figure:
    """Return means over images, the first curve in black; rates on a logarithmic axis.

    Args:
      curves: curves, the anchor first.
      quality: word for the quality, which is in dB.

    Raises:
      ValueError: see :func:`rdbound.analysis.curves.mean_curve`.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.6))
        axes = figure.add_subplot()
        for place, curve in enumerate(curves):
            points = mean_curve(curve)
            axes.plot(
                points.bpp,
                points.psnr,
                "o-",
                ms=3,
                lw=1.3,
                label=curve.name,
                color="black" if place == 0 else None,
                zorder=3 if place else 2,
            )
        axes.set(xscale="log", xlabel="rate (bits per pixel)", ylabel=f"{quality} (dB)")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.legend(frameon=False, fontsize=8)
    return figure
