"""Gaps in a report: in bits per pixel, as BD-rate, and what they mean in words."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rdbound.analysis.best_known import EXACT, Best, PointKey
from rdbound.analysis.gaps import BEST, Chain, bd_gaps, definitions
from rdbound.methods import GapDefinition, roles
from rdbound.report.document import Block, Note, Picture, Section, Table
from rdbound.report.figures.gaps import gap_figure
from rdbound.report.sections.bd_rate import bd_rate_cell
from rdbound.report.wording import words_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN, Row
from rdbound.theory.one_shot_bounds import least_excess

__all__ = [
    "EFFECTS_NOTE",
    "best_note",
    "gap_sections",
    "gap_table",
    "modeling_note",
    "negative_notes",
    "one_shot_note",
    "rounding_note",
    "side_note",
    "with_interval",
]

EFFECTS_NOTE = (
    "Of the five effects that Zhang & Liu 2025 (§III) name, asymptotic, amortization and "
    "digitization are the gaps of that name (their digitization holds output-rounding too), and "
    "modeling holds two: their modeling effect, of prior and synthesis, and their approximation "
    "effect, of the posterior's family, which only the gap approximation separates."
)

_ROUNDING = 1e-6  # bits: sums of float32


def side_note(gap: GapDefinition) -> str:
    """Return what a gap beside the chain is the difference of, and what it means."""
    return f"{gap.name}, J {gap.upper} − J {gap.lower}, stands beside the chain: {gap.note}."


def negative_notes(found: Sequence[Gap]) -> list[str]:
    """Return a sentence for each kind of gap that is negative anywhere, and what that means.

    An exact R(D) is of the source and not of any one example, so only means are compared with it
    (``modeling`` and ``total``; against the best point known they are never negative).
    """
    kinds = {gap.name: gap for gap in definitions()}
    negative: dict[str, list[Gap]] = {}
    for gap in found:
        single = gap.image != MEAN
        if gap.value < -_ROUNDING and not (single and kinds[gap.gap].lower == BEST):
            negative.setdefault(gap.gap, []).append(gap)
    unit = words_of(g.image for g in found).unit
    return [_negative(kinds[name], negative[name], unit) for name in kinds if name in negative]


def _negative(kind: GapDefinition, gaps: Sequence[Gap], unit: str) -> str:
    lmbdas = ", ".join(f"{g.lmbda:.4g}" for g in gaps if g.image == MEAN)
    single = [g for g in gaps if g.image != MEAN]
    words = words_of(g.image for g in single)
    where = [f"in the mean at λ = {lmbdas}"] if lmbdas else []
    where += [f"of {words.counted(len({g.image for g in single}))}"] if single else []
    least = min(g.value for g in gaps)
    return (
        f"{kind.name} is negative {' and '.join(where)}, down to {least:+.4f} bits per {unit}: "
        f"{kind.negative}."
    )


def best_note(best: Mapping[PointKey, Best]) -> str:
    """Return which models attain the best known J, and how often."""
    counts = Counter(b.point.who for b in best.values())
    listed = ", ".join(f"{who} {_times(count)}" for who, count in counts.most_common())
    images, lmbdas = {image for _, _, image in best}, {lmbda for _, lmbda, _ in best}
    return (
        "J best is that of the best point known among bounds, codecs and published points: of "
        f"{words_of(images).counted(len(images))} at {len(lmbdas)} λ, {listed}."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def modeling_note(found: Sequence[Gap], best: Mapping[PointKey, Best]) -> str:
    """Return what the modeling gap means: the true gap if R(D) is known."""
    means = [g for g in found if g.gap == "modeling" and g.image == MEAN]
    exact = {(dataset, lmbda) for (dataset, lmbda, _), b in best.items() if b.point.who == EXACT}
    others = [g for g in means if (g.dataset, g.lmbda) not in exact]
    if not others:
        return (
            "The modeling gap is the true one: it is measured against the exact R(D) of the "
            "source. A negative one is due to the finite sample of the source, not to the bound."
        )
    if len(others) == len(means):
        return _against_points(others)
    known = ", ".join(f"{g.lmbda:.4g}" for g in means if g not in others)
    return (
        f"At λ = {known} the modeling gap is the true one, measured against the exact R(D) of "
        f"the source. Elsewhere: {_against_points(others)}"
    )


def _against_points(means: Sequence[Gap]) -> str:
    # The bound's own points are among the best known: no gap is negative, a mean of 0 is of zeros.
    if all(g.value == 0 for g in means):
        return (
            "The modeling gap is 0 because this bound is itself the best one known here; "
            "R(D) of photographs is unknown, and the true gap is larger."
        )
    return (
        "The modeling gap is measured against the best point known, not against R(D), which "
        "is unknown for photographs: it is a lower limit."
    )


def rounding_note(of: Chain) -> str:
    """Return that digitization contains the 8-bit rounding, and its cost; empty if it does not.

    The error of a uniform rounding to integers has a variance of 1/12, and so costs λ/12.
    """
    vectors = words_of(image for _, _, image in of.J).unit != "pixel"
    if vectors or of.separates_rounding:
        return ""
    note = (
        "Digitization contains the rounding of the codec's output to 8 bits, which a row of "
        "codec-refined-real for every image and λ would separate"
    )
    if not of.squared:
        return f"{note}."
    lmbdas = sorted({lmbda for _, lmbda, _ in of.J})
    costs = ", ".join(f"{lmbda / 12:.3g} at λ = {lmbda:.4g}" for lmbda in lmbdas)
    return f"{note}: about λ/12, {costs} (bits per pixel)."


def one_shot_note(rows: Sequence[Row], bound: str) -> str:
    """Return the one-shot bound of theory beside the asymptotic gap of the model ``bound``.

    Raises:
      ValueError: the model has no refined rows.
    """
    own = [r for r in rows if r.model == bound]
    refined = roles({r.method for r in own}).get("bound-refined")
    bounds = [r for r in own if r.method == refined]
    if not bounds:
        raise ValueError(f"the tables hold no row bound-refined of the model {bound}")
    most = max(least_excess(r.bits) / r.pixels for r in bounds)
    words = words_of(r.image for r in bounds)
    whose = f"{words.article} {words.item} at a time"
    return (
        f"In theory the asymptotic gap need not exceed {most:.4f} bits per {words.unit}: a one-shot"
        f" code that conveys the bound's own samples, {whose}, adds no more (strong functional "
        "representation; rdbound.theory.one_shot_bounds)."
    )


def gap_sections(rows: Sequence[Row], of: Chain, method: str = "pchip") -> tuple[Section, Section]:
    """Return the gaps of one pair with figure and notes, and the same as BD-rate.

    The cell of a BD-rate gives the reason if it has no value.

    Args:
      rows: rows of one data set.
      of: chain of the pair in ``rows``.
      method: interpolation, of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.
    """
    found = of.gaps
    blocks: tuple[Block, ...] = (
        gap_table(found),
        *_notes(of, found),
        Note(one_shot_note(rows, of.bound)),
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


def _notes(of: Chain, found: Sequence[Gap]) -> list[Note]:
    names = {g.gap for g in found}
    texts = (
        best_note(of.best),
        modeling_note(found, of.best),
        *filter(None, [rounding_note(of)]),
        *(side_note(gap) for gap in of.definitions if gap.note and gap.name in names),
        EFFECTS_NOTE,
    )
    return [*(Note(note, "Negative") for note in negative_notes(found)), *map(Note, texts)]


def _bd_blocks(rows: Sequence[Row], of: Chain, method: str) -> tuple[Block, ...]:
    found = bd_gaps(rows, of, method)
    body = tuple((gap, bd_rate_cell(value)) for gap, value in found.items())
    note = "In modeling and total the lower curve is of the best points known at these λ."
    return Table(("gap (BD-rate)", "value, 95 % interval"), body), Note(note)


def gap_table(found: Sequence[Gap]) -> Table:
    """Return the mean gaps in bits per pixel, one row a gap, one column a λ."""
    cells = {(g.gap, g.lmbda): with_interval(g) for g in found if g.image == MEAN}
    lmbdas = sorted({lmbda for _, lmbda in cells})
    body = tuple(
        (gap, *(cells.get((gap, lmbda), "–") for lmbda in lmbdas))
        for gap in dict.fromkeys(kind.name for kind in definitions())
        if any((gap, lmbda) in cells for lmbda in lmbdas)
    )
    return Table(("gap (bpp)", *(f"λ = {lmbda:.4g}" for lmbda in lmbdas)), body)


def with_interval(gap: Gap) -> str:
    """Return a gap in bits, with its interval if it has one."""
    if gap.lo is None:
        return f"{gap.value:+.4f}"
    return f"{gap.value:+.4f} [{gap.lo:+.4f}, {gap.hi:+.4f}]"
