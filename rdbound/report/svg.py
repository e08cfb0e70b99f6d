"""Figures as SVG within a page; hovering over a point or bar shows its title."""

import io
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

from rdbound.report.figures.style import STYLE, TITLES

__all__ = ["figure_svg"]

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def figure_svg(figure: Figure, name: str) -> str:
    """Return a figure as an SVG element for HTML.

    Args:
      figure: figure, whose artists may carry titles (:func:`rdbound.report.figures.style.titles`).
      name: name of the figure, unique in the page.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314  (our own)
    root.attrib.pop("id", None)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    for number, group in enumerate(root.iter(f"{{{_SVG}}}g")):
        if (gid := group.get("id", "")).startswith(TITLES):
            group.set("id", f"{name}-{number}")
            _add_titles(group, gid.removeprefix(TITLES).split("|"))
    return ElementTree.tostring(root, encoding="unicode")


def _add_titles(group: ElementTree.Element, titles: list[str]) -> None:
    """Add a title to each marker of a line, or to the one shape of the group."""
    markers = list(group.iter(f"{{{_SVG}}}use")) or [group]
    if len(markers) == len(titles):
        for marker, text in zip(markers, titles, strict=True):
            ElementTree.SubElement(marker, f"{{{_SVG}}}title").text = text
