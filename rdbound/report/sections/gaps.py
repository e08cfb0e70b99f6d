"""Gaps in a report: in bits per pixel, as BD-rate, and what they mean in words.

What the gaps of a table mean, in words.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from rdbound.analysis.best_known import EXACT, Best, Key
from rdbound.analysis.gaps import GAPS, Chain, bd_gaps
from rdbound.report.document import Block, Note, Picture, Section, Table
from rdbound.report.figures.gaps import gap_figure
from rdbound.report.sections.bd_rate import bd_rate_cell
from rdbound.report.wording import words_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN, Row
from rdbound.theory.one_shot_bounds import least_excess

__all__ = [
    "AMORTIZATION_NOTE",
    "APPROXIMATION_NOTE",
    "EFFECTS_NOTE",
    "MARGINALIZATION_NOTE",
    "SCALE_NOTE",
    "best_note",
    "gap_sections",
    "gap_table",
    "modeling_note",
    "negative_notes",
    "one_shot_note",
    "rounding_note",
    "with_interval",
]

AMORTIZATION_NOTE = (
    "bound-amortization, J bound − J bound-refined, stands beside the chain and is no part of the "
    "total: what one inference network for all costs the bound itself."
)


APPROXIMATION_NOTE = (
    "approximation, J bound-refined − J bound-refined-coupled, stands beside the chain, as a part "
    "of modeling: what the refined bound still wins when neighbours in a latent may be correlated "
    "in its posterior. It is the least that a factorized posterior costs these weights; a model "
    "trained for richer posteriors might win more."
)


SCALE_NOTE = (
    "known-scale, J bound-prior-scaled − J bound, stands beside the chain: what it costs that the "
    "posterior's scale is a function of the prior's, as a layered quantizer's decoder must know it."
)


MARGINALIZATION_NOTE = (
    "marginalization, J codec-refined-ideal − J codec-bits-back-refined-ideal, stands beside the "
    "chain: what rounding the hyperlatent costs against drawing it by side information that the "
    "decoder gets back (and rounding the rest around its mean, not to the integers)."
)


EFFECTS_NOTE = (
    "Of the five effects that Zhang & Liu 2025 (§III) name, asymptotic, amortization and "
    "digitization are the gaps of that name (their digitization holds output-rounding too), and "
    "modeling holds two: their modeling effect, of prior and synthesis, and their approximation "
    "effect, of the posterior's family, which only approximation tells apart."
)


_ROUNDING = 1e-6  # bits: sums of float32


_AT_EXACT = "a finite sample lies below the R(D) of its source, which no bound does in the mean"


_NEGATIVE = {
    "asymptotic": "fewer bits were written than the symbols' own code lengths; the rows are not "
    "of the same symbols",
    "amortization": "refinement ended above what the inference network says, so it failed",
    "output-rounding": "the decoder's output is so near to the image that rounding it to the "
    "grid of 8 bits, where the image lies, takes errors away",
    "digitization": "the bound's model is not the tighter one (it is a worse model, or less "
    "trained, than the codec's), so this is no measure of quantization",
    "modeling": _AT_EXACT,
    "total": _AT_EXACT,
    "bound-amortization": "refinement of the bound failed, or won less than its noise",
    "known-scale": "the bound's own scales are not the best, or its noise is larger than this",
    "marginalization": "the codec's model was trained with a rounded hyperlatent, or rounding "
    "around the mean wins more than the bits got back",
    "approximation": "its refinement, of more numbers, had not come as far in as many steps",
}


def negative_notes(found: Sequence[Gap]) -> list[str]:
    """A sentence for each kind of gap that is negative anywhere, and what that means.

    Against an exact R(D), which is of the source and not of any one example, only means
    count (``modeling`` and ``total``; against the best point known they are never negative).
    """
    negative: dict[str, list[Gap]] = {}
    for gap in found:
        if gap.value < -_ROUNDING and (_NEGATIVE[gap.gap] != _AT_EXACT or gap.image == MEAN):
            negative.setdefault(gap.gap, []).append(gap)
    unit = words_of(g.image for g in found).unit
    return [_negative(negative[name], unit) for name in GAPS if name in negative]


def _negative(gaps: Sequence[Gap], unit: str) -> str:
    lmbdas = ", ".join(f"{g.lmbda:.4g}" for g in gaps if g.image == MEAN)
    single = [g for g in gaps if g.image != MEAN]
    words = words_of(g.image for g in single)
    where = [f"in the mean at λ = {lmbdas}"] if lmbdas else []
    where += [f"of {words.counted(len({g.image for g in single}))}"] if single else []
    least = min(g.value for g in gaps)
    name = gaps[0].gap
    return (
        f"{name} is negative {' and '.join(where)}, down to {least:+.4f} bits per {unit}: "
        f"{_NEGATIVE[name]}."
    )


def best_note(best: Mapping[Key, Best]) -> str:
    """Whose points are the best known, and how often."""
    counts = Counter(b.point.who for b in best.values())
    listed = ", ".join(f"{who} {_times(count)}" for who, count in counts.most_common())
    images, lmbdas = {image for _, _, image in best}, {lmbda for _, lmbda, _ in best}
    return (
        "J best is that of the best point known, of bounds, codecs and published points alike: of "
        f"{words_of(images).counted(len(images))} at {len(lmbdas)} λ, {listed}."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def modeling_note(found: Sequence[Gap], best: Mapping[Key, Best]) -> str:
    """What the modeling gap means: the true one where R(D) is known."""
    means = [g for g in found if g.gap == "modeling" and g.image == MEAN]
    exact = {(dataset, lmbda) for (dataset, lmbda, _), b in best.items() if b.point.who == EXACT}
    others = [g for g in means if (g.dataset, g.lmbda) not in exact]
    if not others:
        return (
            "The modeling gap is the true one: it is measured against the exact R(D) of the "
            "source. Where it is negative, a finite sample of the source says so, not the bound."
        )
    if len(others) == len(means):
        return _against_points(others)
    known = ", ".join(f"{g.lmbda:.4g}" for g in means if g not in others)
    return (
        f"At λ = {known} the modeling gap is the true one, measured against the exact R(D) of "
        f"the source. Elsewhere: {_against_points(others)}"
    )


def _against_points(means: Sequence[Gap]) -> str:
    """A mean of 0 is one of zeros: against points that the bound's own are among, none is below."""
    if all(g.value == 0 for g in means):
        return (
            "The modeling gap is 0 because this bound is itself the best one known here; "
            "nobody knows R(D) of photographs, and the true gap is larger."
        )
    return (
        "The modeling gap is measured against the best point known, not against R(D), which "
        "nobody knows for photographs: it is a lower limit."
    )


def rounding_note(of: Chain) -> str:
    """That digitization contains the 8-bit rounding, and how much; empty where it does not.

    The error of a uniform rounding to integers has a variance of 1/12, and so costs λ/12.
    """
    vectors = words_of(image for _, _, image in of.J).unit != "pixel"
    if vectors or of.real != "codec-refined-ideal":
        return ""
    note = (
        "Digitization contains the rounding of the codec's output to 8 bits, which a row of "
        "codec-refined-real for every image and λ would tell apart"
    )
    if not of.squared:
        return f"{note}."
    lmbdas = sorted({lmbda for _, lmbda, _ in of.J})
    costs = ", ".join(f"{lmbda / 12:.3g} at λ = {lmbda:.4g}" for lmbda in lmbdas)
    return f"{note}: about λ/12, {costs} (bits per pixel)."


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
        "representation; rdbound.theory.one_shot_bounds)."
    )


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
