"""Known answers: every method of a config on every source it applies to, against the truth.

The subset of the known answers that ships, as a check of an installation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rdbound.analysis.consistency import LIMIT, violations
from rdbound.analysis.posterior_family_gap import posterior_family_gaps
from rdbound.config import Config, load_config
from rdbound.config.schema import CaseConfig, LaboratoryConfig
from rdbound.report.markdown import section_lines
from rdbound.report.sections.estimates import answers_report, answers_section
from rdbound.report.write import write_document
from rdbound.runs import run_folder
from rdbound.runs.run_folder import GAP_TABLE
from rdbound.sources import Source, exact_rate, exact_slope, make_source
from rdbound.sources.empirical import Empirical
from rdbound.tables.estimates import Answer, read_answers, write_answers
from rdbound.tables.gaps import write_gaps
from rdbound.theory import Estimate, Estimator, make_method
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["Case", "TABLE", "VERIFY", "answers_run", "open_cases", "solve", "verify"]

TABLE = "answers.csv"


def answers_run(config: Config, progress: Progress = SILENT) -> Path:
    """Solve every case of a config; returns the run folder with its table and report.

    A case that is in the table of an interrupted run is not solved again. Raises
    ValueError for a config without the section ``laboratory``, or as
    :func:`open_cases`, :func:`solve` and :func:`rdbound.runs.run_folder.open_run`.
    """
    if config.laboratory is None:
        raise ValueError("this command needs the section laboratory in the config")
    cases = open_cases(config.laboratory)
    with run_folder.open_run(config, _inputs(cases)) as folder:
        if run_folder.finished(folder):
            LOG.info(f"{folder}: finished before; nothing to do")
            return folder
        partial = folder / TABLE
        known = read_answers(partial) if partial.exists() else []
        answers = solve(
            cases, config.seed, known, lambda found: write_answers(partial, found), progress
        )
        _report(answers, folder)
        run_folder.finish(folder, {"rows": len(answers), "violations": violations(answers)})
        return folder


def _report(answers: Sequence[Answer], folder: Path) -> None:
    gaps = posterior_family_gaps(answers)
    if gaps:
        write_gaps(folder / GAP_TABLE, gaps)
    document = answers_report(answers)
    write_document(document, folder)
    LOG.info("\n\n".join("\n".join(section_lines(section)) for section in document.sections))


@dataclass(frozen=True)
class Case:
    """One method on one source, and what the table calls the two.

    Attributes:
      source_label, method_label: with λ, what tells rows of the table apart.
      source: what is compressed.
      method: what estimates its R(D), or bounds it.
      lmbdas: in bits per unit of distortion.
    """

    source_label: str
    method_label: str
    source: Source
    method: Estimator
    lmbdas: tuple[float, ...]


def open_cases(section: LaboratoryConfig) -> list[Case]:
    """Every pair of a config, built before any is solved.

    Raises ValueError for an unknown source, method or option, two cases of one
    label, two methods of one label in a case, or a λ given twice.
    """
    labels = [case.label for case in section.cases]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two cases are called {label}; give one of them another label")
    return [case for config in section.cases for case in _cases_of(config)]


def _cases_of(config: CaseConfig) -> list[Case]:
    out: list[Case] = []
    source = make_source(config.source.name, **config.source.options)
    for wanted in config.methods:
        method = make_method(wanted.name, **wanted.options)
        lmbdas = config.lmbdas if wanted.lmbdas is None else wanted.lmbdas
        if len(set(lmbdas)) < len(lmbdas):
            raise ValueError(f"{config.label}: a λ is given twice")
        label = wanted.label or method.name
        if any(case.method_label == label for case in out):
            raise ValueError(
                f"{config.label}: two methods are called {label}; give one of them a label"
            )
        out.append(Case(config.label, label, source, method, lmbdas))
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
    progress: Progress = SILENT,
) -> list[Answer]:
    """The answers of all cases, in their order after those that are known.

    Args:
      cases: what to solve.
      seed: of every method.
      known: answers of an earlier run; their cases are not solved again.
      keep: called with all there is after each case.
      progress: receives the number of cases.

    Raises ValueError, a line for each method that refused its source, when all
    the others are solved.
    """
    answers, refused = list(known), []
    done = {(a.source, a.method) for a in known}
    for index, case in enumerate(cases):
        where = f"{case.source_label}: {case.method_label}"
        progress.update("known answers", index, len(cases), where)
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
        side=estimate.side,
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
        rate_error=estimate.rate_error,
        distortion_error=estimate.distortion_error,
    )


VERIFY = Path(str(resources.files("rdbound.runs") / "verify.yaml"))


def verify(output: Path | None = None, progress: Progress = SILENT) -> bool:
    """Solve the shipped subset; True where no bound lies on the wrong side.

    ``output``: a folder for the table; nothing is written without it. Raises
    ValueError as :func:`rdbound.runs.known_answers.solve`.
    """
    config = load_config(VERIFY)
    assert config.laboratory is not None
    answers = solve(open_cases(config.laboratory), config.seed, progress=progress)
    LOG.info("\n".join(section_lines(answers_section(answers))))
    if output is not None:
        write_answers(output / TABLE, answers)
    found = violations(answers)
    LOG.info("\n" + ("\n".join(found) or _passed(answers)))
    return not found


def _passed(answers: Sequence[Answer]) -> str:
    seconds = sum(a.seconds for a in answers)
    return (
        f"{len(answers)} estimates in {seconds:.0f} s: no upper bound below the truth, no "
        f"lower bound above it, by more than {LIMIT:g} standard errors."
    )
