"""How figures look: vector, readable in print, safe for colour-blind readers."""

from typing import Any

__all__ = ["STYLE"]

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}
"""Matplotlib's settings, for ``matplotlib.rc_context``."""
