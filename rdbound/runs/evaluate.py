"""The stage that evaluates: checkpoints and data in, a run folder with a table and report out.

What a config would need for more: said where an evaluation leaves something out.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import jax

from rdbound.analysis.curves import anchor_on
from rdbound.config import Config
from rdbound.config.schema import CheckpointConfig, EvaluationConfig
from rdbound.evaluation.evaluate import Task, evaluate, exact_rows, lmbdas_of, tasks
from rdbound.evaluation.evaluator import Bench
from rdbound.evaluation.examples import Examples, ImageExamples, VectorExamples
from rdbound.evaluation.options import EvaluationOptions, chosen_methods
from rdbound.evaluation.reconstructions import Pictures
from rdbound.objective.distortion import SquaredError
from rdbound.report.markdown import document_lines
from rdbound.runs import run_folder
from rdbound.runs.inputs import Subject, evaluation_options, open_examples, open_subjects
from rdbound.runs.parallel.processes import Part, by_processes, parts_of
from rdbound.runs.results import MOST_SHOWN, write_results
from rdbound.runs.run_folder import PAGE, PICTURES, RD_TABLE
from rdbound.tables.rd import Row, read_table, write_table
from rdbound.utils.progress import LOG, SILENT, Progress
from rdbound.zoo import BOUND, CODEC

__all__ = [
    "Entered",
    "enter_evaluation",
    "evaluate_entered",
    "evaluate_examples",
    "evaluate_run",
    "gaps_hint",
]

_SHIPPED = {"bound": BOUND, "codec": CODEC}


def gaps_hint(config: Config, forms: Collection[str], like_shipped: bool) -> list[str]:
    """The lines of a config that would add the gaps; none where they are there.

    Args:
      config: of an evaluation.
      forms: of its models, ``bound``, ``codec`` or others, which have no gaps.
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


PARTIAL = "rd.partial.csv"


STREAMS = "streams"


WARMEST = 0.1


"""Temperature above which the draws of an annealed channel are no integers yet."""


def evaluate_run(config: Config, progress: Progress = SILENT) -> Path:
    """Evaluate checkpoints; returns the run folder with its RD table and report.

    Raises ValueError for what the configuration lacks or cannot mean, before
    the folder is made.
    """
    with enter_evaluation(config) as run:
        return evaluate_entered(run, progress)


def evaluate_entered(run: "Entered", progress: Progress = SILENT) -> Path:
    """Evaluate what is not known yet of an entered run; returns its folder."""
    folder = run.folder
    if run_folder.finished(folder):
        LOG.info(f"{folder}: finished before; nothing to do")
        return folder
    streams = folder / STREAMS if run.section.keep_streams else None
    rows = evaluate_examples(
        run.subjects, run.examples, run.options, folder, streams, run.config, progress
    )
    write_table(folder / RD_TABLE, rows)
    if run.section.shard is None:
        document = write_results(rows, folder, run.section.anchor, [folder])
        hint = gaps_hint(run.config, {one.form for one in run.subjects}, run.of_images())
        page = f"{folder / PAGE}: the same to look at"
        LOG.info("\n".join([*document_lines(document), "", *hint, page]))
    else:
        LOG.info(f"{folder / RD_TABLE}: {len(rows)} rows")
    run_folder.finish(folder, {"rows": len(rows)})
    (folder / PARTIAL).unlink(missing_ok=True)
    return folder


@dataclass(frozen=True)
class Entered:
    """An evaluation whose inputs were opened and checked, and whose folder is entered.

    Attributes:
      config: with the λ of variable rates written out.
      section: ``evaluation`` of it.
      subjects: the models.
      examples: what they are evaluated on.
      options: how.
      folder: of the run.
    """

    config: Config
    section: EvaluationConfig
    subjects: Sequence[Subject]
    examples: Examples
    options: EvaluationOptions
    folder: Path

    def of_images(self) -> bool:
        """Whether these are models of images, for squared error."""
        distortions = {part.distortion for one in self.subjects for part, _ in one.parts}
        return isinstance(self.examples, ImageExamples) and distortions == {SquaredError()}


@contextmanager
def enter_evaluation(config: Config) -> Iterator[Entered]:
    """What an evaluation is made of, alone in its folder; raises ValueError as
    :func:`evaluate_run`.
    """
    if config.evaluation is None:
        raise ValueError("evaluation needs the section evaluation in the config")
    section = config.evaluation
    examples = open_examples(section, config.seed)
    subjects = open_subjects(section)
    options = evaluation_options(section, config.seed)
    _check(subjects, examples, section, options)
    config = _resolved(config, subjects)
    with run_folder.open_run(config, _inputs(subjects, examples)) as folder:
        options = replace(options, pictures=_pictures(subjects, examples, options, folder))
        yield Entered(config, section, subjects, examples, options, folder)


def _resolved(config: Config, subjects: Sequence[Subject]) -> Config:
    """The config with the λ of variable rates written out, as every default is."""
    assert config.evaluation is not None
    served = {subject.lmbdas for subject in subjects}
    if config.evaluation.lmbdas is not None or len(served) > 1 or all(map(_fixed, subjects)):
        return config
    section = config.evaluation.model_copy(update={"lmbdas": served.pop()})
    return config.model_copy(update={"evaluation": section})


def _fixed(subject: Subject) -> bool:
    """Whether its weights say by themselves which λ they serve."""
    ranges = [one.model.lmbda_range for one, _ in subject.parts]
    return all(low == high for low, high in ranges)


def _pictures(
    subjects: Sequence[Subject], examples: Examples, options: EvaluationOptions, folder: Path
) -> Pictures | None:
    """Of the first images, at the middle λ."""
    if not isinstance(examples, ImageExamples):
        return None
    served = {v for one, own in parts_of(subjects, options) for v in lmbdas_of(one, own.lmbdas)}
    middle = sorted(served)[len(served) // 2]
    return Pictures(folder / PICTURES, frozenset(examples.names[:MOST_SHOWN]), middle)


def _inputs(subjects: Sequence[Subject], examples: Examples) -> dict[str, str]:
    """Digests of what the run reads; vectors are known by the configuration."""
    inputs = {name: digest for one in subjects for name, digest in one.digests.items()}
    if isinstance(examples, ImageExamples):
        inputs["evaluation.data"] = examples.images.fingerprint()
    return inputs


def _check(
    subjects: Sequence[Subject],
    examples: Examples,
    section: EvaluationConfig,
    options: EvaluationOptions,
) -> None:
    """Raise ValueError for what would otherwise fail, or mislead, hours later."""
    names = [one.name for one in subjects]
    if len(set(names)) < len(names):
        raise ValueError(
            f"two checkpoints have the same name: {', '.join(names)}; give one as "
            "{name: …, path: …}"
        )
    for one in subjects:
        for part, _ in one.parts:
            _ = part.distortion  # raises where it may not be imported
        if not chosen_methods(one.form, options, isinstance(examples, VectorExamples)):
            raise ValueError(f"none of evaluation.methods applies to {one.name}")
    anchor_on(section.anchor, examples.name)
    if section.processes > 1 and jax.default_backend() != "cpu":
        raise ValueError(
            "evaluation.processes is for CPUs, where each process has cores of its own; on "
            f"{jax.default_backend()} raise evaluation.batch"
        )
    if any(one.form == "codec" for one in subjects):
        _check_temperature(options)


def _check_temperature(options: EvaluationOptions) -> None:
    """Raise ValueError where an annealed channel ends warm."""
    if options.refine is None:
        return
    last = options.channel("sga").temperature_at(options.refine.steps)
    if last is not None and last > WARMEST:
        raise ValueError(
            f"after {options.refine.steps} steps the temperature of the refinement's channel is "
            f"still {last:.2g}, above {WARMEST}: its draws never become integers and the refined "
            "codec looks worse than it is; lower evaluation.refinement.channel.options.start or "
            "raise its decay"
        )


def evaluate_examples(
    subjects: Sequence[Subject],
    examples: Examples,
    options: EvaluationOptions,
    folder: Path,
    streams: Path | None = None,
    config: Config | None = None,
    progress: Progress = SILENT,
) -> list[Row]:
    """The rows of several models, and of the exact R(D) where the source has one.

    Args:
      subjects: the models.
      examples: what they are evaluated on.
      options: how; each checkpoint has its own λ.
      folder: what an interrupted run left there is kept.
      streams: a folder for the bytes of coded rows.
      config: that all these were opened from, for other processes to open them too, as many
        as it says; None to compute everything in this one.
      progress: receives the number of examples.

    After each row, or task of another process, the partial table is written whole: a run
    that is killed loses what it was at. Raises ValueError as
    :func:`rdbound.evaluation.evaluate.evaluate`.
    """
    kept = _Kept(folder / PARTIAL)
    parts = parts_of(subjects, options)
    section = None if config is None else config.evaluation
    if config is not None and section is not None and section.processes > 1:
        rows = _by_processes(
            config, section.processes, parts, examples, kept, streams, options.pictures, progress
        )
    else:
        rows = _in_this_process(parts, examples, kept, streams, progress)
    if isinstance(examples, VectorExamples):
        rows += exact_rows(examples, sorted({row.lmbda for row in rows}), options.seed)
    return rows


class _Kept:
    """The rows that are there, in a partial table that is always whole."""

    def __init__(self, file: Path):
        self._file = file
        self.rows = {row.key: row for row in (read_table(file) if file.exists() else [])}

    def add(self, rows: Sequence[Row]) -> None:
        """Keep what is new of them."""
        new = {row.key: row for row in rows if row.key not in self.rows}
        if new:
            self.rows |= new
            write_table(self._file, self.rows.values())


def _in_this_process(
    parts: Sequence[Part],
    examples: Examples,
    kept: _Kept,
    streams: Path | None,
    progress: Progress,
) -> list[Row]:
    rows, known = [], list(kept.rows.values())
    for one, own in parts:
        for row in evaluate(one, examples, own, streams, known, progress.update, LOG.warning):
            rows.append(row)
            kept.add([row])
    return rows


def _by_processes(
    config: Config,
    count: int,
    parts: Sequence[Part],
    examples: Examples,
    kept: _Kept,
    streams: Path | None,
    pictures: Pictures | None,
    progress: Progress,
) -> list[Row]:
    """The same rows, task by task."""
    keys: dict[tuple[int, Task], list[tuple]] = {}
    for index, (one, own) in enumerate(parts):
        bench = Bench(one, examples, own)
        keys |= {(index, u): bench.keys(*u) for u in tasks(one, examples, own)}
    todo = [work for work, own in keys.items() if not all(key in kept.rows for key in own)]
    done = len(keys) - len(todo)
    progress.update("evaluating", done, len(keys))
    for found in by_processes(config, todo, min(count, max(1, len(todo))), streams, pictures):
        for text in found.warnings:
            LOG.warning(text)
        kept.add(found.rows)
        done += 1
        progress.update("evaluating", done, len(keys))
    return [kept.rows[key] for own in keys.values() for key in own if key in kept.rows]
