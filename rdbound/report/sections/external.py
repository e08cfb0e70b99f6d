"""The report of codecs from outside: their points, BD-rates, and published curves beside."""

from collections.abc import Mapping, Sequence

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.curves import anchor_on, from_reference, from_rows
from rdbound.reference import curves, find_curve
from rdbound.report.document import Document, Note, Picture, Section, Table
from rdbound.report.figures.rd import rd_figure
from rdbound.report.sections.bd_rate import bd_rate_cell
from rdbound.report.sections.rd import rd_table
from rdbound.tables.rd import Row

__all__ = ["external_report"]

_CONVENTIONS = Note(
    "Conventions: whole files, decoded by the codec's own decoder; bpp and PSNR are means over "
    "images, PSNR and MSE over RGB on 0–255; λ of a setting is the slope −dR/dD of the codec's own "
    "mean curve there."
)


def external_report(rows: Sequence[Row], told: Mapping[str, str], anchor: str) -> Document:
    """The report of the rows of one data set.

    Args:
      rows: of the method ``external-coded``.
      told: what the codecs are, in words, by name.
      anchor: as of :func:`rdbound.analysis.curves.anchor_on`; left out where the data set
        lacks it.

    Raises ValueError for no rows.
    """
    if not rows:
        raise ValueError("no setting was measured on every image: nothing to report")
    notes = tuple(Note(f"`{name}`: {text}.") for name, text in told.items())
    figure = Picture(rd_figure(rows), "rd_curve", "PSNR against rate")
    sections = (
        Section("Rate and distortion", (*notes, rd_table(rows), figure)),
        *_against(rows, anchor),
        Section("", (_CONVENTIONS,)),
    )
    return Document(f"Codecs on {rows[0].dataset}", sections)


def _against(rows: Sequence[Row], anchor: str) -> tuple[Section, ...]:
    """BD-rates against the anchor and the published curves of the same names, where there are."""
    dataset = rows[0].dataset
    base = anchor_on(anchor, dataset)
    if base is None:
        return ()
    published = {method for name, method, _ in curves() if name == dataset}
    body = []
    for (_, name, _), curve in from_rows(rows).items():
        known = from_reference(find_curve(dataset, name)) if name in published else None
        values: list[BDRate | str | None] = [compared(base, curve), None, None]
        if known is not None:
            values[1:] = compared(base, known), compared(known, curve)
        body.append((name, *map(bd_rate_cell, values)))
    header = (
        "codec",
        f"BD-rate against {base.name}",
        "of the published curve",
        "against the published curve",
    )
    return (Section(f"BD-rate against {base.name}", (Table(header, tuple(body)),)),)
