"""The results page: one file that needs no network, with the report, its figures and pictures."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import jinja2

from rdbound.methods import kind_of, method_order
from rdbound.report.citations import Citing
from rdbound.report.document import Document, Table
from rdbound.report.latex import sentence_latex
from rdbound.report.svg import figure_svg
from rdbound.tables.rd import Row

__all__ = ["ShownPicture", "image_table", "results_page"]


class ShownPicture(NamedTuple):
    """An original beside its reconstruction.

    Attributes:
      name: name of the image.
      original: ``data:`` address of the original.
      decoded: ``data:`` address of the reconstruction.
      caption: model, method, rate and quality in words.
    """

    name: str
    original: str
    decoded: str
    caption: str


def results_page(
    document: Document,
    rows: Sequence[Row],
    cited: Citing,
    pictures: Sequence[ShownPicture] = (),
    facts: Mapping[str, str] | None = None,
) -> str:
    """Return the results page of the rows of one data set, HTML.

    Args:
      document: report, whose tables, notes and figures the page shows.
      rows: rows of the data set, for the table image by image.
      cited: sentences and BibTeX, see :func:`rdbound.report.citations.citing`.
      pictures: originals and reconstructions to compare.
      facts: configuration and provenance of the run, as text by title.
    """
    return _template().render(
        document=document,
        svg=figure_svg,
        images=image_table(rows),
        pictures=pictures,
        facts=facts or {},
        sentences=["".join(sentence) for sentence in cited.sentences],
        latex="\n\n".join(map(sentence_latex, cited.sentences)),
        bibtex=cited.bibtex,
    )


def image_table(rows: Sequence[Row]) -> Table:
    """Return the points of a table image by image, in the order of images and methods."""
    header = ("image", "method", "model", "λ", "bpp", "PSNR", "MS-SSIM", "J", "bytes")
    shown = [row for row in rows if kind_of(row.method) != "floor"]
    shown.sort(key=lambda r: (r.image, method_order(r.method), r.method, r.model, r.lmbda))
    return Table(header, [_cells(row) for row in shown])


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (row.lmbda, row.bpp, row.psnr, row.ms_ssim, row.J)
    size = "–" if row.bytes is None else str(row.bytes)
    return (row.image, row.method, row.model, *map(_number, numbers), size)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


@cache
def _template() -> jinja2.Template:
    text = (resources.files("rdbound") / "report" / "page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)
