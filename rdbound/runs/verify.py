"""The subset of the known answers that ships, as a check of an installation."""

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from rdbound.analysis.consistency import LIMIT, violations
from rdbound.config import load_config
from rdbound.report.markdown import section_lines
from rdbound.report.sections.estimates import answers_section
from rdbound.runs.known_answers import TABLE, open_cases, solve
from rdbound.tables.estimates import Answer, write_answers

__all__ = ["VERIFY", "verify"]

VERIFY = Path(str(resources.files("rdbound.runs") / "verify.yaml"))


def verify(say: Callable[[str], None], output: Path | None = None) -> bool:
    """Solve the shipped subset; True where no bound lies on the wrong side.

    ``output``: a folder for the table; nothing is written without it. Raises
    ValueError as :func:`rdbound.runs.known_answers.solve`.
    """
    config = load_config(VERIFY)
    assert config.laboratory is not None
    answers = solve(open_cases(config.laboratory), config.seed)
    say("\n".join(section_lines(answers_section(answers))))
    if output is not None:
        write_answers(output / TABLE, answers)
    found = violations(answers)
    say("\n" + ("\n".join(found) or _passed(answers)))
    return not found


def _passed(answers: Sequence[Answer]) -> str:
    seconds = sum(a.seconds for a in answers)
    return (
        f"{len(answers)} estimates in {seconds:.0f} s: no upper bound below the truth, no "
        f"lower bound above it, by more than {LIMIT:g} standard errors."
    )
