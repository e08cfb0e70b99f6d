"""The stages as the commands run them: configuration in, run folder out."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rdbound import checkpoint, runs
from rdbound.analysis.gaps import gaps
from rdbound.channels import SGAChannel, make_channel
from rdbound.config import Config, EvaluationConfig, TrainConfig, VectorsConfig
from rdbound.evaluation import EvaluationOptions, evaluate, evaluate_vectors, lmbdas_of
from rdbound.models import make_model
from rdbound.progress import Bars
from rdbound.reference import curves, find_curve
from rdbound.report.document import Document, Section, Table
from rdbound.report.rd import rd_report
from rdbound.report.text import section_lines
from rdbound.report.write import write_document
from rdbound.sources.base import Stream
from rdbound.sources.crops import crops
from rdbound.sources.gaussian import GaussianSource
from rdbound.sources.image_sets import ImageSet, open_images
from rdbound.tables.gaps import write_gaps
from rdbound.tables.rd import Row, read_table, write_table
from rdbound.training import NonFiniteLossError, batch_loss, fit

__all__ = ["evaluate_run", "report", "train_run"]

Say = Callable[[str], None]


def train_run(config: Config, say: Say) -> Path:
    """Train a model; returns its checkpoint. A finished run is not repeated."""
    if config.model is None or config.training is None:
        raise ValueError("training needs the sections model and training in the config")
    training, options = config.training, config.training.options
    # Everything a config can get wrong is tried before the folder is made.
    model = make_model(**config.model.spec())
    if config.model.start_from is not None:
        model = checkpoint.start_from(model, config.model.start_from)
    channel = make_channel(training.channel.name, **training.channel.options)
    _check_fit(model, channel, training)
    folder, batches = _open_training(config, training)
    target = folder / checkpoint.RUN_FILE
    if runs.finished(folder):
        say(f"{folder}: finished before; nothing to do")
        return target
    start = time.monotonic()
    with Bars() as bars:
        model = _fit_or_keep(
            lambda: fit(
                model,
                channel,
                batches,
                options,
                folder,
                config.seed,
                progress=lambda step, values: bars.update(
                    "training", step, options.steps, f"J {values['J']:.3f}"
                ),
            ),
            folder,
            config.model.spec(),
        )
    checkpoint.save(target, model, config.model.spec(), training.weights)
    say(f"wrote {target}")
    if isinstance(training.data, VectorsConfig):
        _check_vectors(config.seed, training, target, folder, say)
    seconds = time.monotonic() - start
    runs.finish(folder, {"steps": options.steps, "seconds_of_this_start": seconds})
    return target


def _open_training(config: Config, training: TrainConfig):
    """(the run's folder, its endless batches)."""
    data, batch = training.data, training.options.batch
    inputs = {}
    if config.model is not None and config.model.start_from is not None:
        inputs["model.start_from"] = checkpoint.digest(config.model.start_from)
    if isinstance(data, VectorsConfig):
        batches = Stream(GaussianSource(data.variances), batch, config.seed)
        return runs.open_run(config, inputs), batches
    images = open_images(data.source, data.path, data.split).take(data.take)
    inputs["training.data"] = _fingerprint(images)
    stream = crops(images, data.crop, batch, config.seed, data.cache_gib)
    return runs.open_run(config, inputs), stream


def _check_fit(model, channel, training: TrainConfig) -> None:
    """Trace one batch; raises ValueError where the model cannot take the data."""
    data, batch = training.data, training.options.batch
    shape: tuple[int, ...]
    if isinstance(data, VectorsConfig):
        shape, dtype = (batch, len(data.variances)), "float32"
    else:
        shape, dtype = (batch, data.crop, data.crop, 3), "uint8"
        if data.crop % model.stride:
            raise ValueError(
                f"training.data.crop is {data.crop}, not a multiple of the model's stride "
                f"{model.stride}"
            )
    try:
        jax.eval_shape(
            lambda x, key: batch_loss(model, channel, x, key, 0.0),
            jax.ShapeDtypeStruct(shape, dtype),
            jax.random.key(0),
        )
    except TypeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"the model cannot take batches of shape {shape}: {reason}") from None


def _fit_or_keep(run, folder: Path, spec: dict):
    """``run()``; where its loss stops being finite, the last good weights are kept."""
    try:
        return run()
    except NonFiniteLossError as error:
        kept = checkpoint.save(folder / "last_good.safetensors", error.model, spec)
        raise ValueError(
            f"{error}; its averaged weights are in {kept}: go on from them with "
            f"model.start_from={kept} output=NEW_FOLDER and a lower "
            "training.options.learning_rate or training.options.clip"
        ) from None


def _fingerprint(images: ImageSet) -> str:
    with Bars() as bars:
        return images.fingerprint(lambda done: bars.update("reading images", done, len(images)))


def _check_vectors(seed: int, training: TrainConfig, target: Path, folder: Path, say: Say) -> None:
    """Hold a model of Gaussian vectors against their R(D)."""
    data = training.data
    assert isinstance(data, VectorsConfig)
    # A bound is evaluated through the channel it was trained through, which is
    # the sampled one where its divergence has no closed form.
    sampled = training.channel.name == "sampled"
    channel = make_channel("sampled") if sampled else None
    loaded = checkpoint.load(target)
    low, high = loaded.model.lmbda_range
    lmbdas = tuple(np.geomspace(low, high, 5)) if low < high else (low,)
    # Neither the key of the batches nor one folded from it.
    key = jax.random.key(seed + 2**31)
    source = GaussianSource(data.variances)
    vectors = source.sample(key, data.test_vectors)
    options = EvaluationOptions(lmbdas=lmbdas, seed=seed + 1)
    rows = evaluate_vectors(loaded, "gaussian-vector", vectors, options, channel)
    write_table(folder / "rd.csv", rows)
    body = []
    for row in rows:
        best = source.exact(row.lmbda).J(row.lmbda)
        body.append(
            [f"{row.lmbda:.4g}", f"{row.bpp:.4f}", f"{row.mse:.4f}", f"{row.J:.4f}"]
            + [f"{best:.4f}", f"{row.J - best:+.4f} ± {row.J_se:.4f}"]
        )
    header = ["λ", "R (bits/dim)", "D", "J", "J on the exact R(D)", "above it"]
    section = Section("", (Table(header, body),))
    write_document(Document("Gaussian vector", (section,)), folder)
    say("\n".join(section_lines(section)))


def evaluate_run(config: Config, say: Say) -> Path:
    """Evaluate checkpoints; returns the run folder with its RD table and report."""
    if config.evaluation is None:
        raise ValueError("evaluation needs the section evaluation in the config")
    options = config.evaluation
    data = options.data
    images = open_images(data.source, data.path, data.split).take(data.take)
    loaded = [checkpoint.load(path) for path in options.checkpoints]
    _check_evaluation(loaded, images, options)
    inputs = {"evaluation.data": _fingerprint(images)}
    folder = runs.open_run(config, inputs | {one.name: one.digest for one in loaded})
    if runs.finished(folder):
        say(f"{folder}: finished before; nothing to do")
        return folder
    rows = evaluate_images(loaded, images, options, config.seed, folder)
    write_table(folder / "rd.csv", rows)
    report(rows, folder, options.anchor, say)
    runs.finish(folder, {"rows": len(rows)})
    (folder / _PARTIAL).unlink(missing_ok=True)
    return folder


_PARTIAL = "rd.partial.csv"


def _check_evaluation(loaded, images: ImageSet, options: EvaluationConfig) -> None:
    """Raise ValueError for what would otherwise fail, or mislead, hours later."""
    names = [one.name for one in loaded]
    if len(set(names)) < len(names):
        raise ValueError(f"two checkpoints have the same name: {', '.join(names)}; rename a file")
    for one in loaded:
        lmbdas_of(one, options.lmbdas)
    if images.name in {dataset for dataset, _, _ in curves()}:
        find_curve(images.name, options.anchor)
    if options.refinement is not None and any(one.model.form == "codec" for one in loaded):
        channel = _annealing(options)
        last = float(channel.at(jnp.asarray(options.refinement.steps)).temperature)
        if last > _WARMEST:
            raise ValueError(
                f"after {options.refinement.steps} steps the SGA temperature is still {last:.2g}, "
                f"above {_WARMEST}: its draws never become integers and the refined codec looks "
                "worse than it is; lower evaluation.sga.start or raise evaluation.sga.decay"
            )


_WARMEST = 0.1


def _annealing(options: EvaluationConfig) -> SGAChannel:
    return SGAChannel(options.sga.initial, options.sga.decay, options.sga.start)


def evaluate_images(
    loaded: Sequence[checkpoint.Checkpoint],
    images: ImageSet,
    options: EvaluationConfig,
    seed: int,
    folder: Path,
) -> list[Row]:
    """The rows of several checkpoints. What an interrupted run left in the folder is kept."""
    settings = EvaluationOptions(
        lmbdas=options.lmbdas,
        samples=options.samples,
        refine=options.refinement,
        batch=options.batch,
        sga=_annealing(options),
        seed=seed,
    )
    streams = folder / "streams" if options.keep_streams else None
    partial = folder / _PARTIAL
    kept = {row.key: row for row in (read_table(partial) if partial.exists() else [])}
    known = list(kept.values())
    rows: list[Row] = []
    with Bars() as bars:
        for one in loaded:
            for row in evaluate(one, images, settings, streams, known, bars.update, bars.write):
                rows.append(row)
                if row.key not in kept:
                    kept[row.key] = row
                    write_table(partial, kept.values())
    return rows


def report(rows: Sequence[Row], folder: Path, anchor: str, say: Say) -> None:
    """Figures, ``gaps.csv`` and ``report.md`` of a table, as far as its rows allow."""
    document = rd_report(rows, anchor)
    write_document(document, folder)
    with suppress(ValueError):  # the report says what is missing
        write_gaps(folder / "gaps.csv", gaps(rows))
    for section in document.sections:
        say("\n" + "\n".join(section_lines(section)))
