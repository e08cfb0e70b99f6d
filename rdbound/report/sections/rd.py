"""The report of an RD table: its points, its gaps and BD-rates, as far as the rows allow."""

from collections.abc import Sequence

import numpy as np

from rdbound.analysis.channel_ladder import has_rungs
from rdbound.analysis.curves import from_rows
from rdbound.analysis.gaps import chain
from rdbound.analysis.image_sets import even, uneven
from rdbound.methods import METHODS, kind_of, method_order, roles
from rdbound.report.document import Block, Document, Note, Picture, Section, Table
from rdbound.report.figures.rd import rd_figure
from rdbound.report.sections.bd_rate import bd_rate_sections
from rdbound.report.sections.gaps import gap_sections
from rdbound.report.sections.ladder import ladder_section
from rdbound.report.wording import mse_words
from rdbound.tables.rd import Row

__all__ = ["rd_report", "rd_table"]

_HEADER = ("method", "model", "data", "λ", "bpp", "PSNR", "MSE", "MS-SSIM", "J", "images")
_CONVENTIONS = Note(
    "Conventions: J = R + λ·D, R in bits per pixel of the whole image (padding's rate counted), "
    "D = MSE on 0–255 over RGB; PSNR and bpp are means over images; the bound's reconstruction is "
    "real-valued, the codec's 8-bit; coded rates are whole files. Of vectors, rates are per "
    "dimension, on their own scale, and reconstructions real-valued."
)


def rd_report(rows: Sequence[Row], anchor: str) -> Document:
    """Return the report of the rows of one data set.

    A method whose images differ between λ is left out, with a note.

    Args:
      rows: rows of one data set.
      anchor: anchor of the BD-rates.

    Raises:
      ValueError: the rows are of several data sets or none.
    """
    faults = uneven(rows)
    whole = even(rows, faults)
    left_out = (Note(f"Left out: {fault}.") for fault in faults.values())
    sections = (
        Section("Rate and distortion", (rd_table(whole), *left_out, *_figure(whole))),
        *_gap_sections(whole),
        *_ladder_sections(whole),
        *(bd_rate_sections(whole, anchor) if whole or not faults else ()),
        Section("", (_CONVENTIONS, *_method_notes(whole))),
    )
    return Document(", ".join(sorted({r.dataset for r in rows})), sections)


def _method_notes(rows: Sequence[Row]) -> tuple[Note, ...]:
    """Return what each method of the rows is."""
    present = {row.method for row in rows}
    return tuple(Note(f"{m.note}.", name) for name, m in METHODS.items() if name in present)


def _figure(rows: Sequence[Row]) -> tuple[Block, ...]:
    """Return the RD figure or the reason why it cannot be drawn; nothing for floors alone."""
    if not from_rows(rows):
        return ()
    try:
        return (Picture(rd_figure(rows), "rd_curve", "PSNR against rate"),)
    except ValueError as error:
        return (Note(f"not drawn: {error}"),)


def _gap_sections(rows: Sequence[Row]) -> tuple[Section, ...]:
    """Return the gaps or the reason why there are none; nothing without refined bound and codec."""
    if not {"bound-refined", "codec-refined-ideal"} <= roles({r.method for r in rows}).keys():
        return ()
    try:
        return gap_sections(rows, chain(rows))
    except ValueError as error:
        return (Section("Gaps", (Note(f"not computed: {error}"),)),)


def _ladder_sections(rows: Sequence[Row]) -> tuple[Section, ...]:
    """Return the ladder or the reason why there is none; nothing without a rung of a group."""
    if not has_rungs(rows):
        return ()
    try:
        return (ladder_section(rows),)
    except ValueError as error:
        return (Section("The ladder", (Note(f"not computed: {error}"),)),)


def rd_table(rows: Sequence[Row]) -> Table:
    """Return means over images by method, model and λ.

    Raises:
      ValueError: the images of a method differ between λ.
    """
    for fault in uneven(rows).values():
        raise ValueError(fault)
    groups: dict[tuple[str, str, str, float], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.dataset, row.method, row.model, row.lmbda), []).append(row)
    ordered = sorted(groups, key=lambda key: (key[0], method_order(key[1]), *key[1:]))
    return Table(_HEADER, tuple(_cells(groups[key]) for key in ordered))


def _cells(group: Sequence[Row]) -> tuple[str, ...]:
    first, floor = group[0], kind_of(group[0].method) == "floor"
    return (
        first.method,
        first.model,
        first.dataset,
        f"{first.lmbda:.4g}",
        "any" if floor else f"{np.mean([r.bpp for r in group]):.4f}",
        f"{np.mean([r.psnr for r in group]):.2f}",
        mse_words(float(np.mean([r.mse for r in group]))),
        _ssim(group),
        "–" if floor else f"{np.mean([r.J for r in group]):.4f}",
        str(len(group)),
    )


def _ssim(group: Sequence[Row]) -> str:
    values = [r.ms_ssim for r in group if r.ms_ssim is not None]
    return f"{np.mean(values):.4f}" if values else "–"
