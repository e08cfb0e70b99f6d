"""Gaps in a report: in bits per pixel, as BD-rate, and what they mean in words."""

from collections.abc import Sequence

from rdbound.analysis.bd_gaps import bd_gaps
from rdbound.analysis.gaps import GAPS, Chain
from rdbound.report.document import Block, Note, Picture, Section, Table
from rdbound.report.figures.gaps import gap_figure
from rdbound.report.sections.bd_rate import bd_rate_cell
from rdbound.report.sections.gap_notes import (
    AMORTIZATION_NOTE,
    APPROXIMATION_NOTE,
    EFFECTS_NOTE,
    MARGINALIZATION_NOTE,
    SCALE_NOTE,
    best_note,
    modeling_note,
    negative_notes,
    one_shot_note,
    rounding_note,
)
from rdbound.report.wording import words_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN, Row

__all__ = ["gap_sections", "gap_table", "with_interval"]


def gap_sections(rows: Sequence[Row], of: Chain, method: str = "pchip") -> tuple[Section, Section]:
    """The gaps of one pair with figure and notes, and the same as BD-rate.

    Args:
      rows: of one data set.
      of: the chain of the pair in ``rows``.
      method: of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Where a BD-rate has no value, its cell says why.
    """
    found = of.gaps
    notes = [*_notes(of, found), one_shot_note(rows, of.bound)]
    blocks: tuple[Block, ...] = (
        gap_table(found),
        *map(Note, notes),
        Picture(gap_figure(found), "gaps", "The gaps at each λ"),
    )
    words = words_of(r.image for r in rows)
    count = words.counted(len({g.image for g in found} - {MEAN}))
    interval = " [95 % interval]" if any(g.lo is not None for g in found) else ""
    title = f"Gaps in bits per {words.unit}, mean over {count}{interval}"
    return (
        Section(title, blocks),
        Section("Gaps as BD-rate", _bd_blocks(rows, of, method)),
    )


def _notes(of: Chain, found: Sequence[Gap]) -> list[str]:
    names = {g.gap for g in found}
    beside = {
        "bound-amortization": AMORTIZATION_NOTE,
        "approximation": APPROXIMATION_NOTE,
        "known-scale": SCALE_NOTE,
        "marginalization": MARGINALIZATION_NOTE,
    }
    return [
        *(f"**Negative:** {note}" for note in negative_notes(found)),
        best_note(of.best),
        modeling_note(found, of.best),
        *filter(None, [rounding_note(of)]),
        *(note for name, note in beside.items() if name in names),
        EFFECTS_NOTE,
    ]


def _bd_blocks(rows: Sequence[Row], of: Chain, method: str) -> tuple[Block, ...]:
    found = bd_gaps(rows, of, method)
    body = tuple((gap, bd_rate_cell(value)) for gap, value in found.items())
    note = "In modeling and total the lower curve is of the best points known at these λ."
    return Table(("gap (BD-rate)", "value, 95 % interval"), body), Note(note)


def gap_table(found: Sequence[Gap]) -> Table:
    """The mean gaps in bits per pixel, one row a gap, one column a λ."""
    cells = {(g.gap, g.lmbda): with_interval(g) for g in found if g.image == MEAN}
    lmbdas = sorted({lmbda for _, lmbda in cells})
    body = tuple(
        (gap, *(cells.get((gap, lmbda), "–") for lmbda in lmbdas))
        for gap in GAPS
        if any((gap, lmbda) in cells for lmbda in lmbdas)
    )
    return Table(("gap (bpp)", *(f"λ = {lmbda:.4g}" for lmbda in lmbdas)), body)


def with_interval(gap: Gap) -> str:
    """A gap in bits, with its interval where it has one."""
    if gap.lo is None:
        return f"{gap.value:+.4f}"
    return f"{gap.value:+.4f} [{gap.lo:+.4f}, {gap.hi:+.4f}]"
