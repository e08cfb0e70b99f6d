"""The report of an RD table: its points, its gaps and BD-rates, as far as the rows allow."""

from collections.abc import Sequence

import numpy as np

from rdbound.analysis.channel_ladder import has_rungs
from rdbound.analysis.curves import from_rows
from rdbound.analysis.gaps import chain
from rdbound.analysis.image_sets import even, uneven
from rdbound.methods import kind_of, method_order
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
    "real-valued, the codec's 8-bit (but of codec-refined-real); coded rates are whole files. Of "
    "vectors, rates are per dimension, on their own scale, and reconstructions real-valued. The "
    "floor is the distortion without any noise or rounding: what this model's latents cannot tell "
    "at any rate."
)


def rd_report(rows: Sequence[Row], anchor: str) -> Document:
    """The report of the rows of one data set, with BD-rates against a shipped ``anchor``.

    A method whose images differ between λ is left out, and told. Raises ValueError for
    rows of several data sets or none.
    """
    faults = uneven(rows)
    whole = even(rows, faults)
    left_out = (Note(f"Left out: {fault}.") for fault in faults.values())
    sections = (
        Section("Rate and distortion", (rd_table(whole), *left_out, *_figure(whole))),
        *_gap_sections(whole),
        *_ladder_sections(whole),
        *(bd_rate_sections(whole, anchor) if whole or not faults else ()),
        Section("", (_CONVENTIONS,)),
    )
    return Document(", ".join(sorted({r.dataset for r in rows})), sections)


def _figure(rows: Sequence[Row]) -> tuple[Block, ...]:
    """None of floors alone, which are no points of a curve; a reason where it cannot be drawn."""
    if not from_rows(rows):
        return ()
    try:
        return (Picture(rd_figure(rows), "rd_curve", "PSNR against rate"),)
    except ValueError as error:
        return (Note(f"not drawn: {error}"),)


def _gap_sections(rows: Sequence[Row]) -> tuple[Section, ...]:
    """None without a refined bound and codec; a reason where they are not enough."""
    if not {"bound-refined", "codec-refined-ideal"} <= {r.method for r in rows}:
        return ()
    try:
        return gap_sections(rows, chain(rows))
    except ValueError as error:
        return (Section("Gaps", (Note(f"not computed: {error}"),)),)


def _ladder_sections(rows: Sequence[Row]) -> tuple[Section, ...]:
    """None without a rung that was asked for; a reason where it is not enough."""
    if not has_rungs(rows):
        return ()
    try:
        return (ladder_section(rows),)
    except ValueError as error:
        return (Section("The ladder", (Note(f"not computed: {error}"),)),)


def rd_table(rows: Sequence[Row]) -> Table:
    """Means over images by method, model and λ.

    Raises ValueError where the images of a method differ between λ.
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
