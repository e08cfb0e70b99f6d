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


def external_report(rows: Sequence[Row], descriptions: Mapping[str, str], anchor: str) -> Document:
    """Return the report of the rows of one data set.

    Args:
      rows: rows of the method ``external-coded``.
      descriptions: description of each codec by its name.
      anchor: anchor of the BD-rates, which are left out if the data set lacks it.

    Raises:
      ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("no setting was measured on every image: nothing to report")
    notes = tuple(Note(f"{text}.", name) for name, text in descriptions.items())
    figure = Picture(rd_figure(rows), "rd_curve", "PSNR against rate")
    sections = (
        Section("Rate and distortion", (*notes, rd_table(rows), figure)),
        *_against(rows, anchor),
        Section("", (_CONVENTIONS,)),
    )
    return Document(f"Codecs on {rows[0].dataset}", sections)


def _against(rows: Sequence[Row], anchor: str) -> tuple[Section, ...]:
    """Return BD-rates against the anchor and against published curves of the same names."""
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
