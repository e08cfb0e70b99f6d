"""Known answers: every estimator of a config on its sources, beside the exact R(D).

``rdbound answers`` runs the cases of a config, ``rdbound verify`` the subset that ships as a
check of an installation.
"""

from collections.abc import Sequence
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
from rdbound.sources import Source, make_source
from rdbound.sources.empirical import Empirical
from rdbound.tables.estimates import Answer, read_answers, write_answers
from rdbound.tables.gaps import write_gaps
from rdbound.theory import Estimator, make_method
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["Case", "TABLE", "VERIFY", "answers_run", "open_cases", "solve", "verify"]

TABLE = "answers.csv"
VERIFY = Path(str(resources.files("rdbound.runs") / "verify.yaml"))


@dataclass(frozen=True)
class Case:
    """One estimator on one source.

    Attributes:
      source_label: name of the source in the table.
      method_label: name of the estimator in the table.
      source: the source.
      method: the estimator of its R(D).
      lmbdas: slopes λ, in bits per unit of distortion.
    """

    source_label: str
    method_label: str
    source: Source
    method: Estimator
    lmbdas: tuple[float, ...]


def answers_run(config: Config, progress: Progress = SILENT) -> Path:
    """Solve every case of a config; an interrupted run resumes after its last complete case.

    Args:
      config: a config with the section ``laboratory``.
      progress: shows the cases done.

    Returns:
      The run folder, with the table and the report, which is logged too.

    Raises:
      ValueError: if the section is missing, as :func:`open_cases` and :func:`solve`, and as
        :func:`rdbound.runs.run_folder.open_run`.
    """
    if config.laboratory is None:
        raise ValueError("this command needs the section laboratory in the config")
    cases = open_cases(config.laboratory)
    with run_folder.open_run(config, _inputs(cases)) as folder:
        if run_folder.finished(folder):
            LOG.info("%s: finished before; nothing to do", folder)
            return folder
        answers = solve(cases, config.seed, folder / TABLE, progress)
        gaps = posterior_family_gaps(answers)
        if gaps:
            write_gaps(folder / GAP_TABLE, gaps)
        document = answers_report(answers)
        write_document(document, folder)
        LOG.info("\n\n".join("\n".join(section_lines(s)) for s in document.sections))
        run_folder.finish(folder, {"rows": len(answers), "violations": violations(answers)})
        return folder


def open_cases(section: LaboratoryConfig) -> list[Case]:
    """Build the source and the estimator of every case of a config.

    Args:
      section: the section ``laboratory``.

    Raises:
      ValueError: if a source, an estimator or an option is unknown, two cases or two estimators
        of a case have the same label, or a λ occurs twice.
    """
    labels = [case.label for case in section.cases]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two cases are called {label}; give one of them another label")
    return [case for config in section.cases for case in _cases_of(config)]


def _cases_of(config: CaseConfig) -> list[Case]:
    cases: list[Case] = []
    source = make_source(config.source.name, **config.source.options)
    for choice in config.methods:
        method = make_method(choice.name, **choice.options)
        lmbdas = config.lmbdas if choice.lmbdas is None else choice.lmbdas
        if len(set(lmbdas)) < len(lmbdas):
            raise ValueError(f"{config.label}: a λ is given twice")
        label = choice.label or method.name
        if any(case.method_label == label for case in cases):
            raise ValueError(
                f"{config.label}: two methods are called {label}; give one of them a label"
            )
        cases.append(Case(config.label, label, source, method, lmbdas))
    return cases


def _inputs(cases: Sequence[Case]) -> dict[str, str]:
    """Return digests of the data that sources were read from, by label."""
    return {
        case.source_label: case.source.fingerprint()
        for case in cases
        if isinstance(case.source, Empirical)
    }


def solve(
    cases: Sequence[Case], seed: int, table: Path | None = None, progress: Progress = SILENT
) -> list[Answer]:
    """Solve cases and return the rows of all estimates.

    Args:
      cases: the cases.
      seed: seed of every estimator.
      table: a file that is rewritten after each case; cases that it contains already are not
        solved again.
      progress: shows the cases done.

    Returns:
      The rows, those of the file first.

    Raises:
      ValueError: after all other cases are solved, if estimators do not apply to their sources;
        one line for each.
    """
    answers = read_answers(table) if table is not None and table.exists() else []
    done, refusals = {(a.source, a.method) for a in answers}, []
    for index, case in enumerate(cases):
        labels = case.source_label, case.method_label
        progress.update("known answers", index, len(cases), ": ".join(labels))
        if labels in done:
            continue
        try:
            estimates = case.method.solve(case.source, case.lmbdas, seed)
        except ValueError as error:
            refusals.append(f"{': '.join(labels)}: {error}")
            continue
        answers += [estimate.row(*labels) for estimate in estimates]
        if table is not None:
            write_answers(table, answers)
    if refusals:
        raise ValueError("\n".join(refusals))
    return answers


def verify(output: Path | None = None, progress: Progress = SILENT) -> bool:
    """Solve the shipped cases and log every estimate beside the exact value.

    Args:
      output: a folder for the table; nothing is written without one.
      progress: shows the cases done.

    Returns:
      Whether every bound lies on its side of the exact value.

    Raises:
      ValueError: as :func:`solve`.
    """
    config = load_config(VERIFY)
    assert config.laboratory is not None
    answers = solve(open_cases(config.laboratory), config.seed, progress=progress)
    if output is not None:
        write_answers(output / TABLE, answers)
    LOG.info("\n".join(section_lines(answers_section(answers))))
    wrong = violations(answers)
    seconds = sum(a.seconds for a in answers)
    passed = (
        f"{len(answers)} estimates in {seconds:.0f} s: no upper bound below the truth, no "
        f"lower bound above it, by more than {LIMIT:g} standard errors."
    )
    LOG.info("\n%s", "\n".join(wrong) or passed)
    return not wrong
