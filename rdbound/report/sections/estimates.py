"""The report of known answers: estimates beside the exact values, and inconsistent bounds."""

from collections.abc import Sequence

from rdbound.analysis.consistency import violations
from rdbound.analysis.posterior_family_gap import posterior_family_gaps
from rdbound.report.document import Document, Note, Picture, Section, Table
from rdbound.report.figures.estimates import small_multiples
from rdbound.report.sections.gaps import with_interval
from rdbound.tables.estimates import Answer
from rdbound.tables.gaps import Gap

__all__ = ["answers_report", "answers_section", "posterior_family_table", "verdict"]

_HEADER = (
    "source",
    "method",
    "side",
    "λ",
    "R",
    "D",
    "J",
    "exact R(D)",
    "error in J",
    "in s.e.",
    "s",
)


def answers_report(answers: Sequence[Answer]) -> Document:
    """Return the report: estimates, figures, posterior family gaps if any, and the verdict."""
    picture = Picture(small_multiples(answers), "answers", "Estimates of R(D) and the truth")
    gaps = posterior_family_gaps(answers)
    return Document(
        "Known answers",
        (
            answers_section(answers),
            Section("", (picture,)),
            *([Section("", (posterior_family_table(gaps),))] if gaps else []),
            Section("", tuple(map(Note, verdict(answers)))),
        ),
    )


def verdict(answers: Sequence[Answer]) -> list[str]:
    """Return a sentence for every bound on the wrong side, or one that there is none."""
    return violations(answers) or ["No bound lies on the wrong side."]


def answers_section(answers: Sequence[Answer]) -> Section:
    """Return the table of estimates, in bits per dimension, followed by their statuses."""
    statuses = (
        Note(f"{a.source}: {a.method}, λ = {a.lmbda:.4g}: {a.status}") for a in answers if a.status
    )
    return Section("", (Table(_HEADER, tuple(map(_cells, answers))), *statuses))


def _cells(a: Answer) -> tuple[str, ...]:
    return (
        a.source,
        a.method,
        a.side,
        f"{a.lmbda:.4g}",
        f"{a.rate:.5f}",
        f"{a.distortion:.5g}",
        f"{a.J:.5f}",
        _number(a.exact_rate, ".5f"),
        _number(a.error, "+.2e"),
        _number(a.standard_errors, "+.1f"),
        f"{a.seconds:.1f}",
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def posterior_family_table(gaps: Sequence[Gap]) -> Table:
    """Return posterior family gaps in bits per dimension, a row each."""
    body = tuple((g.dataset, g.gap, f"{g.lmbda:.4g}", with_interval(g)) for g in gaps)
    return Table(("source", "gap", "λ", "bits per dimension [95 %]"), body)
