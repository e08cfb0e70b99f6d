"""The known-answer laboratory: every method on every source it applies to, against the truth."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rdbound import runs
from rdbound.analysis.approximation import approximation_gaps
from rdbound.analysis.gaps import write_gaps
from rdbound.tables.answers import Answer, read_answers, write_answers
from rdbound.config import Config, LaboratoryConfig, load_config
from rdbound.progress import Bars
from rdbound.report import answers_figure, text
from rdbound.report.figures import save
from rdbound.sources import Source, exact_rate, exact_slope, make_source
from rdbound.sources.empirical import Empirical
from rdbound.theory import Estimate, Method, make_method

__all__ = ["Case", "laboratory_run", "solve", "verify", "violations"]

Say = Callable[[str], None]
TABLE = "answers.csv"
VERIFY = Path(str(resources.files("rdbound") / "verify.yaml"))
LIMIT = 3.0
"""Standard errors by which a bound may lie on the wrong side."""
ROUNDING = 1e-9
CURVE = 1e-7
"""Bits to which the exact R at a distortion is computed."""


def laboratory_run(config: Config, say: Say) -> Path:
    """Solve every case of a config; returns the run folder with its table and figure.

    A case that is in the table of an interrupted run is not solved again.
    """
    if config.laboratory is None:
        raise ValueError("this command needs the section laboratory in the config")
    cases = _open_cases(config.laboratory)
    folder = runs.open_run(config, _inputs(cases))
    if runs.finished(folder):
        say(f"{folder}: finished before; nothing to do")
        return folder
    partial = folder / TABLE
    known = read_answers(partial) if partial.exists() else []

    def keep(answers: Sequence[Answer]) -> None:
        write_answers(partial, answers)

    answers = solve(cases, config.seed, known, keep)
    found = violations(answers)
    report = text.answer_lines(answers)
    gaps = approximation_gaps(answers)
    if gaps:
        write_gaps(folder / "gaps.csv", gaps)
        report += ["", *text.approximation_lines(gaps)]
    report += ["", *(found or ["No bound lies on the wrong side."])]
    say("\n".join(report))
    save(answers_figure.small_multiples(answers), folder / "answers")
    (folder / "report.md").write_text("\n".join(["# Known answers", "", *report]) + "\n")
    runs.finish(folder, {"rows": len(answers), "violations": found})
    return folder


@dataclass(frozen=True)
class Case:
    """One method on one source, and what the table calls the two."""

    source_label: str
    method_label: str
    source: Source
    method: Method
    lmbdas: tuple[float, ...]


def _open_cases(section: LaboratoryConfig) -> list[Case]:
    """Every pair of a config; ValueError before any is solved."""
    out: list[Case] = []
    labels = [case.label for case in section.cases]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two cases are called {label}; give one of them another label")
    for case in section.cases:
        source = make_source(case.source.name, **case.source.options)
        for wanted in case.methods:
            method = make_method(wanted.name, **wanted.options)
            lmbdas = case.lmbdas if wanted.lmbdas is None else wanted.lmbdas
            if len(set(lmbdas)) < len(lmbdas):
                raise ValueError(f"{case.label}: a λ is given twice")
            label = wanted.label or method.name
            if any((c.source_label, c.method_label) == (case.label, label) for c in out):
                raise ValueError(
                    f"{case.label}: two methods are called {label}; give one of them a label"
                )
            out.append(Case(case.label, label, source, method, lmbdas))
    return out


def _inputs(cases: Sequence[Case]) -> dict[str, str]:
    """Digests of the data that sources were read from, by label."""
    return {
        case.source_label: case.source.fingerprint()
        for case in cases
        if isinstance(case.source, Empirical)
    }


def solve(
    cases: Sequence[Case],
    seed: int,
    known: Sequence[Answer] = (),
    keep: Callable[[Sequence[Answer]], None] = lambda answers: None,
) -> list[Answer]:
    """The answers of all cases; ``keep`` is called with what there is after each.

    Raises ValueError, a line for each method that refused its source, when all
    the others are solved.
    """
    answers, refused = list(known), []
    done = {(a.source, a.method) for a in known}
    with Bars() as bars:
        for index, case in enumerate(cases):
            where = f"{case.source_label}: {case.method_label}"
            bars.update("known answers", index, len(cases), where)
            if (case.source_label, case.method_label) in done:
                continue
            try:
                estimates = case.method.solve(case.source, case.lmbdas, seed)
            except ValueError as error:
                refused.append(f"{where}: {error}")
                continue
            answers += [_answer(case, estimate) for estimate in estimates]
            keep(answers)
    if refused:
        raise ValueError("\n".join(refused))
    return answers


def _answer(case: Case, estimate: Estimate) -> Answer:
    source = case.source
    exact = source.exact(estimate.lmbda)
    return Answer(
        source=case.source_label,
        method=case.method_label,
        kind=estimate.side,
        lmbda=estimate.lmbda,
        rate=estimate.rate,
        distortion=estimate.distortion,
        standard_error=estimate.standard_error,
        tolerance=estimate.tolerance,
        exact_rate=None if exact is None else exact_rate(source, estimate.distortion),
        exact_slope=None if exact is None else exact_slope(source, estimate.distortion),
        exact_J=None if exact is None else exact.J(estimate.lmbda),
        seconds=estimate.seconds,
        status=estimate.status,
    )


def violations(answers: Sequence[Answer], limit: float = LIMIT) -> list[str]:
    """A sentence for every bound on the wrong side by more than ``limit`` standard errors.

    Of the truth where it is known, J of any bound and R of an upper one at its
    own D (which may be far from where J is least); and, known or not, a lower
    bound must not lie above an upper bound of the same source and λ. The J of
    ``neural-lower`` has the margin of its own confidence taken off already.
    """
    out = []
    for a in answers:
        if not all(math.isfinite(x) for x in (a.rate, a.distortion, a.standard_error)):
            out.append(f"WRONG: {a.method} on {a.source} at λ = {a.lmbda:g} is not finite")
            continue
        if a.error is None:
            continue
        slack = limit * a.standard_error + a.tolerance + ROUNDING
        wrong = {"upper": -a.error, "lower": a.error, "exact": abs(a.error)}.get(a.kind, 0.0)
        if wrong > slack:
            out.append(
                f"WRONG: {a.method} on {a.source} at λ = {a.lmbda:g}: J misses the truth by "
                f"{a.error:+.4g} bits, {'an' if a.kind[0] in 'aeiou' else 'a'} {a.kind} "
                f"{'value' if a.kind == 'exact' else 'bound'} with a slack of {slack:.2g}"
            )
        elif _below_the_curve(a, slack):
            out.append(
                f"WRONG: {a.method} on {a.source} at λ = {a.lmbda:g}: R lies {a.below:.4g} bits "
                f"below R(D) at D = {a.distortion:.4g}"
            )
    return out + _crossings(answers, limit)


def _below_the_curve(a: Answer, slack: float) -> bool:
    """Whether an upper bound's own point lies below R(D).

    ``slack`` is that of J; where the curve is steeper than λ, an error in D
    weighs by as much more.
    """
    if a.kind not in ("upper", "exact") or a.below is None or a.exact_slope is None:
        return False
    return a.below > slack * max(1.0, a.exact_slope / a.lmbda) + CURVE


def _crossings(answers: Sequence[Answer], limit: float) -> list[str]:
    out = []
    lower = [a for a in answers if a.kind == "lower"]
    upper = [a for a in answers if a.kind in ("upper", "exact")]
    for low in lower:
        for high in upper:
            if (low.source, low.lmbda) != (high.source, high.lmbda):
                continue
            noise = (low.standard_error**2 + high.standard_error**2) ** 0.5
            slack = limit * noise + low.tolerance + high.tolerance + ROUNDING
            if slack < low.J - high.J:
                out.append(
                    f"WRONG: {low.method} on {low.source} at λ = {low.lmbda:g} lies "
                    f"{low.J - high.J:.4g} bits above {high.method}, which is an upper bound"
                )
    return out


def verify(say: Say, output: Path | None = None) -> bool:
    """The shipped subset; True where no bound lies on the wrong side.

    ``output``: a folder for the table; nothing is written without it.
    """
    config = load_config(VERIFY)
    assert config.laboratory is not None
    answers = solve(_open_cases(config.laboratory), config.seed)
    say("\n".join(text.answer_lines(answers)))
    if output is not None:
        write_answers(output / TABLE, answers)
    found = violations(answers)
    seconds = sum(a.seconds for a in answers)
    if found:
        say("\n" + "\n".join(found))
    else:
        say(
            f"\n{len(answers)} estimates in {seconds:.0f} s: no upper bound below the truth, no "
            f"lower bound above it, by more than {LIMIT:g} standard errors."
        )
    return not found
