"""The stage that evaluates: checkpoints and data in, a run folder with a table and report out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rdbound import checkpoint
from rdbound.analysis.gaps import gaps
from rdbound.channels import Channel, make_channel
from rdbound.config import Config
from rdbound.config.schema import EvaluationConfig, NamedConfig, VectorsConfig
from rdbound.evaluation import evaluate, exact_rows
from rdbound.evaluation_options import EvaluationOptions, chosen_methods
from rdbound.examples import Examples, ImageExamples, VectorExamples
from rdbound.images.sets import open_images
from rdbound.reference import curves, find_curve
from rdbound.report.gap_notes import negative_notes
from rdbound.report.rd import rd_report
from rdbound.report.text import document_lines
from rdbound.report.write import write_document
from rdbound.sources import make_source
from rdbound.stages import runs
from rdbound.stages.progress import Bars, fingerprint_images, warn
from rdbound.stages.subjects import Subject, open_subject
from rdbound.tables.gaps import write_gaps
from rdbound.tables.rd import Row, read_table, write_table

__all__ = ["evaluate_examples", "evaluate_run", "evaluation_options"]

Say = Callable[[str], None]

TABLE = "rd.csv"
PARTIAL = "rd.partial.csv"
WARMEST = 0.1
"""Temperature above which the draws of an annealed channel are no integers yet."""


def evaluate_run(config: Config, say: Say) -> Path:
    """Evaluate checkpoints; returns the run folder with its RD table and report.

    Raises ValueError for what the configuration lacks or cannot mean, before
    the folder is made.
    """
    if config.evaluation is None:
        raise ValueError("evaluation needs the section evaluation in the config")
    section = config.evaluation
    examples = _open(section, config.seed)
    load = partial(checkpoint.load, outside=section.outside)
    subjects = [open_subject(one, section.lmbdas, load) for one in section.checkpoints]
    options = evaluation_options(section, config.seed)
    _check(subjects, examples, section, options)
    config = _resolved(config, subjects)
    with runs.open_run(config, _inputs(subjects, examples)) as folder:
        if runs.finished(folder):
            say(f"{folder}: finished before; nothing to do")
            return folder
        streams = folder / "streams" if section.keep_streams else None
        rows = evaluate_examples(subjects, examples, options, folder, streams)
        write_table(folder / TABLE, rows)
        _write_gaps(rows, folder)
        document = rd_report(rows, section.anchor)
        write_document(document, folder)
        say("\n".join(document_lines(document)))
        runs.finish(folder, {"rows": len(rows)})
        (folder / PARTIAL).unlink(missing_ok=True)
        return folder


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


def _write_gaps(rows: Sequence[Row], folder: Path) -> None:
    """Where the rows allow; the report says why they do not. Negative ones are told."""
    try:
        found = gaps(rows)
    except ValueError:
        return
    write_gaps(folder / "gaps.csv", found)
    for note in negative_notes(found):
        warn(note)


def _open(section: EvaluationConfig, seed: int) -> Examples:
    data = section.data
    if isinstance(data, VectorsConfig):
        source = make_source(data.source, **data.options)
        return VectorExamples(data.source, source, data.vectors, data.blocks, seed)
    images = open_images(data.source, data.path, data.split).take(data.take)
    return ImageExamples(images.cached(data.cache_gib))


def _inputs(subjects: Sequence[Subject], examples: Examples) -> dict[str, str]:
    """Digests of what the run reads; vectors are known by the configuration."""
    inputs = {name: digest for one in subjects for name, digest in one.digests.items()}
    if isinstance(examples, ImageExamples):
        inputs["evaluation.data"] = fingerprint_images(examples.images)
    return inputs


def evaluation_options(section: EvaluationConfig, seed: int) -> EvaluationOptions:
    """The options that a config's section means; raises ValueError for an unknown channel.

    ``bound_channel`` takes the place of ``gaussian`` in the methods, judge and
    refinement alike; the refinement's ``channel`` that of ``sga``.

    Args:
      section: ``evaluation`` of the config.
      seed: of the config.
    """
    bound = _channel(section.bound_channel)
    channels = {"gaussian": bound}
    if section.refinement is not None:
        channels["sga"] = _channel(section.refinement.channel)
    return EvaluationOptions(
        lmbdas=section.lmbdas,
        samples=section.samples,
        refine=section.refinement,
        batch=section.batch,
        methods=section.methods,
        channels=channels,
        seed=seed,
    )


def _channel(named: NamedConfig) -> Channel:
    return make_channel(named.name, **named.options)


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
    if examples.name in {dataset for dataset, _, _ in curves()}:
        find_curve(examples.name, section.anchor)
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
) -> list[Row]:
    """The rows of several models, and of the exact R(D) where the source has one.

    Args:
      subjects: the models.
      examples: what they are evaluated on.
      options: how; each checkpoint has its own λ.
      folder: what an interrupted run left there is kept.
      streams: a folder for the bytes of coded rows.

    After each row the partial table is written whole: a run that is killed loses the
    batch it was at. Raises ValueError as :func:`rdbound.evaluation.evaluate`.
    """
    kept_table = folder / PARTIAL
    kept = {row.key: row for row in (read_table(kept_table) if kept_table.exists() else [])}
    known = list(kept.values())
    rows: list[Row] = []
    with Bars() as bars:
        for one, lmbdas in (part for subject in subjects for part in subject.parts):
            own = replace(options, lmbdas=lmbdas)
            for row in evaluate(one, examples, own, streams, known, bars.update, bars.write):
                rows.append(row)
                if row.key not in kept:
                    kept[row.key] = row
                    write_table(kept_table, kept.values())
    if isinstance(examples, VectorExamples):
        rows += exact_rows(examples, sorted({row.lmbda for row in rows}), options.seed)
    return rows
