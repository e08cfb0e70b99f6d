"""How figures look: vector, readable in print, safe for colour-blind readers."""

from collections.abc import Iterable
from typing import Any

__all__ = ["STYLE", "TITLES", "titles"]

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

TITLES = "titles:"
"""Prefix of the ``gid`` of an artist whose points have titles."""


def titles(texts: Iterable[str]) -> str:
    """Return the ``gid`` of an artist, from which the results page makes titles of its points.

    Args:
      texts: a title for each marker of a line, or one for a bar.
    """
    return TITLES + "|".join(text.replace("|", "/") for text in texts)
