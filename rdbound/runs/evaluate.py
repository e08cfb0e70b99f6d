"""The stage that evaluates: checkpoints and data in, a run folder with a table and report out."""

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import jax

from rdbound.analysis.curves import anchor_on
from rdbound.config import Config
from rdbound.config.schema import CheckpointConfig
from rdbound.evaluation.evaluate import evaluate_plan, exact_rows
from rdbound.evaluation.evaluator import PartProgress
from rdbound.evaluation.examples import ImageExamples, VectorExamples
from rdbound.evaluation.plan import Plan, row_keys
from rdbound.objective.distortion import SquaredError
from rdbound.report.markdown import document_lines
from rdbound.runs import run_folder
from rdbound.runs.inputs import Inputs, Subject, open_inputs
from rdbound.runs.parallel.processes import by_processes
from rdbound.runs.results import write_results
from rdbound.runs.run_folder import PAGE, RD_TABLE
from rdbound.tables.rd import COLUMNS, Row, read_table, write_table
from rdbound.utils.progress import LOG, SILENT, Progress
from rdbound.zoo import BOUND, CODEC

__all__ = [
    "PARTIAL",
    "STREAMS",
    "Entered",
    "PartialTable",
    "enter_evaluation",
    "evaluate_entered",
    "evaluate_plans",
    "evaluate_run",
    "gaps_hint",
    "input_digests",
    "resolved",
]

PARTIAL = "rd.partial.csv"
STREAMS = "streams"

_SHIPPED = {"bound": BOUND, "codec": CODEC}


def evaluate_run(config: Config, progress: Progress = SILENT) -> Path:
    """Evaluate checkpoints and write the table and report of a run.

    Args:
      config: a config with a section ``evaluation``.
      progress: where it reports how far it is.

    Returns:
      The run folder.

    Raises:
      ValueError: The configuration lacks something or is inconsistent; nothing is written then.
    """
    with enter_evaluation(config) as run:
        return evaluate_entered(run, progress)


@dataclass(frozen=True)
class Entered:
    """An evaluation whose inputs were opened and checked, and whose folder is locked.

    Attributes:
      config: the configuration with the λ of variable rates written out.
      inputs: models, examples and plans.
      folder: the run folder.
    """

    config: Config
    inputs: Inputs
    folder: Path


@contextmanager
def enter_evaluation(config: Config) -> Iterator[Entered]:
    """Open the inputs of an evaluation and hold its run folder; see :func:`evaluate_run`."""
    inputs = open_inputs(config)
    assert config.evaluation is not None
    for plan in inputs.plans:
        _ = plan.tasks  # reads every image: a damaged one is an error now, not hours later
    anchor_on(config.evaluation.anchor, inputs.examples.name)  # raises for an unknown one
    if config.evaluation.processes > 1 and jax.default_backend() != "cpu":
        raise ValueError(
            "evaluation.processes is for CPUs, where each process has cores of its own; on "
            f"{jax.default_backend()} raise evaluation.batch"
        )
    config = resolved(config, inputs.subjects)
    with run_folder.open_run(config, input_digests(inputs)) as folder:
        yield Entered(config, inputs, folder)


def resolved(config: Config, subjects: Sequence[Subject]) -> Config:
    """Return the config with the λ of variable rates written out, as every default is."""
    assert config.evaluation is not None
    served = {subject.lmbdas for subject in subjects}
    ranges = [one.model.lmbda_range for subject in subjects for one, _ in subject.parts]
    fixed = all(low == high for low, high in ranges)
    if config.evaluation.lmbdas is not None or len(served) > 1 or fixed:
        return config
    section = config.evaluation.model_copy(update={"lmbdas": served.pop()})
    return config.model_copy(update={"evaluation": section})


def input_digests(inputs: Inputs) -> dict[str, str]:
    """Return digests of the files that a run reads; vectors are known by the configuration."""
    digests = {name: digest for one in inputs.subjects for name, digest in one.digests.items()}
    if isinstance(inputs.examples, ImageExamples):
        digests["evaluation.data"] = inputs.examples.images.fingerprint()
    return digests


def evaluate_entered(run: Entered, progress: Progress = SILENT) -> Path:
    """Evaluate the rest of an entered run and return its folder."""
    folder, section = run.folder, run.config.evaluation
    assert section is not None
    if run_folder.finished(folder):
        LOG.info("%s: finished before; nothing to do", folder)
        return folder
    streams = folder / STREAMS if section.keep_streams else None
    with PartialTable(folder / PARTIAL) as kept:
        rows = evaluate_plans(run.inputs.plans, kept, streams, run.config, progress)
    write_table(folder / RD_TABLE, rows)
    if section.shard is None:
        document = write_results(rows, folder, section.anchor, [folder])
        hint = gaps_hint(run.config, {one.form for one in run.inputs.subjects}, _usual(run.inputs))
        page = f"{folder / PAGE}: the same to look at"
        LOG.info("%s", "\n".join([*document_lines(document), "", *hint, page]))
    else:
        LOG.info("%s: %d rows", folder / RD_TABLE, len(rows))
    run_folder.finish(folder, {"rows": len(rows)})
    (folder / PARTIAL).unlink(missing_ok=True)
    return folder


def _usual(inputs: Inputs) -> bool:
    """Whether these are models of images, for squared error, as the shipped ones."""
    distortions = {plan.checkpoint.distortion for plan in inputs.plans}
    return not inputs.examples.vectors and distortions == {SquaredError()}


class PartialTable:
    """The rows of an unfinished evaluation, appended to a table as they come.

    A process that is killed leaves at most one torn line, the last, which the next one drops.

    Args:
      file: the table; made if it is missing.
    """

    def __init__(self, file: Path):
        if file.exists():
            data = file.read_bytes()
            file.write_bytes(data[: data.rfind(b"\n") + 1])
        begun = file.exists() and file.stat().st_size > 0
        self.rows = {row.key: row for row in (read_table(file) if begun else [])}
        self._file = file.open("a", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        if not begun:
            self._writer.writeheader()

    def add(self, rows: Sequence[Row]) -> None:
        """Append the rows that are new."""
        for row in rows:
            if row.key not in self.rows:
                self.rows[row.key] = row
                self._writer.writerow(asdict(row))
        self._file.flush()

    def __enter__(self) -> "PartialTable":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def evaluate_plans(
    plans: Sequence[Plan],
    kept: PartialTable,
    streams: Path | None = None,
    config: Config | None = None,
    progress: Progress = SILENT,
) -> list[Row]:
    """Return the rows of several plans, and of the exact R(D) if the source has one.

    Args:
      plans: evaluations of the same examples.
      kept: rows that are known already; new ones are appended.
      streams: a folder for the bytes of coded rows.
      config: the config of these plans, which other processes open too if it asks for
        several; None to compute everything in this process.
      progress: where it reports how many examples are done.

    Raises:
      ValueError: See :func:`rdbound.evaluation.evaluate.evaluate`.
    """
    section = None if config is None else config.evaluation
    if config is not None and section is not None and section.processes > 1:
        rows = _by_processes(config, section.processes, plans, kept, streams, progress)
    else:
        rows = _in_this_process(plans, kept, streams, progress)
    examples = plans[0].examples
    if isinstance(examples, VectorExamples):
        rows += exact_rows(examples, sorted({row.lmbda for row in rows}), plans[0].options.seed)
    return rows


def _in_this_process(
    plans: Sequence[Plan], kept: PartialTable, streams: Path | None, progress: Progress
) -> list[Row]:
    rows: list[Row] = []
    known, before, total = list(kept.rows.values()), 0, sum(plan.units for plan in plans)
    for plan in plans:
        part = SILENT
        if progress is not SILENT:
            part = PartProgress(progress, "evaluating", total, before, plan.units)
        for row in evaluate_plan(plan, streams, known, part):
            rows.append(row)
            kept.add([row])
        before += plan.units
    return rows


def _by_processes(
    config: Config,
    count: int,
    plans: Sequence[Plan],
    kept: PartialTable,
    streams: Path | None,
    progress: Progress,
) -> list[Row]:
    """Return the same rows, computed task by task by several processes."""
    keys = {
        (index, task): row_keys(plan, task)
        for index, plan in enumerate(plans)
        for task in plan.tasks
    }
    todo = [work for work, own in keys.items() if not all(key in kept.rows for key in own)]
    done = len(keys) - len(todo)
    progress.update("evaluating", done, len(keys))
    for found in by_processes(config, todo, min(count, max(1, len(todo))), streams):
        for text in found.warnings:
            LOG.warning("%s", text)
        kept.add(found.rows)
        done += 1
        progress.update("evaluating", done, len(keys))
    return [kept.rows[key] for own in keys.values() for key in own if key in kept.rows]


def gaps_hint(config: Config, forms: Collection[str], like_shipped: bool) -> list[str]:
    """Return the lines of a config that would add the gaps; none if they are there.

    Args:
      config: the config of an evaluation.
      forms: the families of priors of its models: ``bound``, ``codec``, or others, which have no
        gaps.
      like_shipped: whether these are models of images and squared error, as the shipped ones,
        which are proposed beside them.
    """
    section = config.evaluation
    assert section is not None
    missing = [form for form in _SHIPPED if form not in forms]
    if not set(forms) <= set(_SHIPPED) or (missing and not like_shipped):
        return []
    lines = []
    if missing:
        wanted = [*map(_entry, section.checkpoints), *(_SHIPPED[form] for form in missing)]
        lines.append(f"  checkpoints: [{', '.join(wanted)}]")
    if section.refinement is None:
        lines.append("  refinement: {steps: 300}")
    if not lines:
        return []
    return [
        "the gaps need a bound and a codec, refined: the same config with",
        f"output: {config.output}-gaps",
        "evaluation:",
        *lines,
    ]


def _entry(one: str | CheckpointConfig) -> str:
    return one if isinstance(one, str) else f"{{name: {one.name}, path: {one.path}}}"
