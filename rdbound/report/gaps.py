"""Gaps in a report: in bits per pixel, as BD-rate, and what they mean in words."""

from collections.abc import Sequence

from rdbound.analysis.bd_gaps import bd_gaps
from rdbound.analysis.gaps import GAPS, exact_J, gaps, pair
from rdbound.report.document import Block, Note, Picture, Section, Table
from rdbound.report.gap_figure import gap_figure
from rdbound.report.words import words_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import Row
from rdbound.theory.one_shot import least_excess

__all__ = ["gap_sections", "gap_table", "modeling_note", "one_shot_note", "with_interval"]


def gap_sections(
    rows: Sequence[Row],
    bound: str | None = None,
    codec: str | None = None,
    method: str = "pchip",
) -> tuple[Section, ...]:
    """The gaps of one pair with figure and notes, and the same as BD-rate.

    Args:
      rows: of one data set.
      bound: name of the bound's model, where ``rows`` hold several.
      codec: name of the codec's model, where ``rows`` hold several.
      method: of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Raises ValueError as :func:`rdbound.analysis.gaps.gaps`; where only the BD-rate
    has no value, the section says why.
    """
    found = gaps(rows, bound, codec)
    blocks = (
        gap_table(found),
        Note(modeling_note(found, rows)),
        Note(one_shot_note(rows, pair(rows, bound, codec)[0])),
        Picture(gap_figure(found), "gaps", "The gaps at each λ"),
    )
    words = words_of(r.image for r in rows)
    count = words.counted(len({g.image for g in found} - {"mean"}))
    interval = " [95 % interval]" if any(g.lo is not None for g in found) else ""
    title = f"Gaps in bits per {words.unit}, mean over {count}{interval}"
    return (
        Section(title, blocks),
        Section("Gaps as BD-rate", (_bd_block(rows, bound, codec, method),)),
    )


def _bd_block(rows: Sequence[Row], bound: str | None, codec: str | None, method: str) -> Block:
    try:
        found = bd_gaps(rows, bound, codec, method)
    except ValueError as error:
        return Note(f"not computed: {error}")
    body = tuple((gap, dataset, str(value)) for (dataset, gap), value in found.items())
    return Table(("gap (BD-rate)", "data", "value, 95 % interval"), body)


def gap_table(found: Sequence[Gap]) -> Table:
    """The mean gaps in bits per pixel, one row a gap, one column a λ."""
    cells = {(g.gap, g.lmbda): with_interval(g) for g in found if g.image == "mean"}
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


def modeling_note(found: Sequence[Gap], rows: Sequence[Row]) -> str:
    """What the modeling gap of ``rows`` means, in words: the true one where R(D) is known."""
    means = [g for g in found if g.gap == "modeling" and g.image == "mean"]
    exact = exact_J(rows)
    others = [g for g in means if (g.dataset, g.lmbda) not in exact]
    if not others:
        return (
            "The modeling gap is the true one: it is measured against the exact R(D) of the "
            "source. Where it is negative, a finite sample of the source says so, not the bound."
        )
    if len(others) == len(means):
        return _against_bounds(others)
    known = ", ".join(f"{g.lmbda:.4g}" for g in means if g not in others)
    return (
        f"At λ = {known} the modeling gap is the true one, measured against the exact R(D) of "
        f"the source. Elsewhere: {_against_bounds(others)}"
    )


def _against_bounds(means: Sequence[Gap]) -> str:
    if all(g.value == 0 for g in means):
        return (
            "The modeling gap is 0 because this bound is itself the best one known here; "
            "nobody knows R(D) of photographs, and the true gap is larger."
        )
    return (
        "The modeling gap is measured against the best bound known, not against R(D), which "
        "nobody knows for photographs: it is a lower limit."
    )


def one_shot_note(rows: Sequence[Row], bound: str) -> str:
    """The theory beside the measured asymptotic gap of the model ``bound``, in words.

    Raises ValueError where it has no refined rows.
    """
    bounds = [r for r in rows if r.method == "bound-refined" and r.model == bound]
    if not bounds:
        raise ValueError(f"the tables hold no row bound-refined of the model {bound}")
    most = max(least_excess(r.bits) / r.pixels for r in bounds)
    words = words_of(r.image for r in bounds)
    whose = f"{words.article} {words.item} at a time"
    return (
        f"In theory the asymptotic gap need not exceed {most:.4f} bits per {words.unit}: a one-shot"
        f" code that conveys the bound's own samples, {whose}, adds no more (strong functional "
        "representation; rdbound.theory.one_shot)."
    )
