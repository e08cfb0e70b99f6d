"""The results page: one file that needs no network, with figures that answer to the pointer."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from rdbound.analysis.curves import ImageCurves, anchor_on, from_reference, from_rows
from rdbound.methods import kind_of
from rdbound.reference import curves
from rdbound.report.citations import Citing
from rdbound.report.document import Document
from rdbound.report.page_figures import bd_rate_plot, gap_plot, image_table, rd_plot
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import Row

__all__ = ["ShownPicture", "results_page"]


class ShownPicture(NamedTuple):
    """An original beside what was decoded, as ``data:`` addresses, and what it cost in words."""

    name: str
    original: str
    decoded: str
    told: str


class _Plot(NamedTuple):
    name: str
    title: str
    html: str
    note: str = ""


def results_page(
    document: Document,
    rows: Sequence[Row],
    gaps: Sequence[Gap],
    anchor: str,
    cited: Citing,
    pictures: Sequence[ShownPicture] = (),
    facts: Mapping[str, str] | None = None,
) -> str:
    """The page of the rows of one data set, HTML.

    Args:
      document: the report, whose tables and notes the page repeats.
      rows: of the data set.
      gaps: of them; may be empty.
      anchor: the first of the anchors that its menu offers.
      cited: see :func:`rdbound.report.citations.citing`.
      pictures: to be looked at.
      facts: what the run was given and ran with, as text by title.
    """
    figures: list[tuple[str, str, go.Figure | None, str]] = [
        ("curves", "Rate and distortion", rd_plot(rows), ""),
        (
            "bd-rates",
            "BD-rate",
            bd_rate_plot(rows, _anchors(rows, anchor)),
            "Whiskers are 95 % intervals over images.",
        ),
        ("gaps", "Gaps", gap_plot(gaps), ""),
        ("images", "Image by image", image_table(rows), ""),
    ]
    plots = [
        _Plot(name, title, _html(figure, name), note)
        for name, title, figure, note in figures
        if figure is not None
    ]
    return _template().render(
        title=document.title,
        plots=plots,
        sections=document.sections,
        pictures=pictures,
        facts=facts or {},
        sentences=[_plain(s) for s in cited.sentences],
        latex="\n\n".join(cited.sentences),
        bibtex=cited.bibtex,
        plotly=get_plotlyjs(),
    )


def _anchors(rows: Sequence[Row], anchor: str) -> dict[str, ImageCurves]:
    """The run's own, the published codecs that are known per image, and the files of the run."""
    dataset = rows[0].dataset
    own = anchor_on(anchor, dataset)
    found = [] if own is None else [own]
    found += [
        from_reference(c)
        for (name, _, per_image), c in curves().items()
        if name == dataset and per_image and c.kind == "codec"
    ]
    found += [
        curve for (_, _, method), curve in from_rows(rows).items() if kind_of(method) == "coded"
    ]
    return {curve.name: curve for curve in found}


def _html(figure: go.Figure, name: str) -> str:
    config = {"displaylogo": False, "responsive": True}
    return str(
        figure.to_html(
            full_html=False, include_plotlyjs=False, config=config, div_id=f"plot-{name}"
        )
    )


@cache
def _template() -> jinja2.Template:
    text = (resources.files("rdbound") / "report" / "page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    return environment.from_string(text)


def _plain(sentence: str) -> str:
    """A sentence of LaTeX as text."""
    marks = {
        "\\,": " ",
        "\\%": "%",
        "\\lambda": "λ",
        "--": "–",
        "$": "",
        "\\_": "_",
        "\\#": "#",
        "\\&": "&",
    }
    for mark, text in marks.items():
        sentence = sentence.replace(mark, text)
    return sentence
