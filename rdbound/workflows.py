"""The stages as the commands run them: configuration in, run folder out."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from rdbound import checkpoint, runs
from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import from_reference, from_rows
from rdbound.analysis.gaps import bd_gaps, gaps, write_gaps
from rdbound.channels import SGAChannel, make_channel
from rdbound.config import Config, EvaluationConfig, TrainConfig, VectorsConfig
from rdbound.evaluation import EvaluationOptions, evaluate, evaluate_vectors
from rdbound.models import make_model
from rdbound.progress import Bars
from rdbound.reference import find
from rdbound.report import figures, text
from rdbound.sources import gaussian
from rdbound.sources.crops import crops
from rdbound.sources.image_sets import ImageSet, open_images
from rdbound.table import Row, read_table, write_table
from rdbound.training import fit

__all__ = ["bd_rate_lines", "evaluate_run", "gap_report", "report", "train_run"]

Say = Callable[[str], None]


def train_run(config: Config, say: Say) -> Path:
    """Train a model; returns its checkpoint. A finished run is not repeated."""
    if config.model is None or config.training is None:
        raise ValueError("training needs the sections model and training in the config")
    training = config.training
    images = _training_images(training)
    folder = runs.open_run(config, None if images is None else _fingerprint(images))
    target = folder / "model.safetensors"
    if runs.finished(folder):
        say(f"{folder}: finished before; nothing to do")
        return target
    model = make_model(**config.model.spec())
    if config.model.start_from is not None:
        model = checkpoint.start_from(model, config.model.start_from)
    channel = make_channel(training.channel.name, **training.channel.options)
    start = time.monotonic()
    with Bars() as bars:
        model = fit(
            model,
            channel,
            _batches(training, images, config.seed),
            training.options,
            folder,
            config.seed,
            progress=lambda step, values: bars.update(
                "training", step, training.options.steps, f"J {values['J']:.3f}"
            ),
        )
    checkpoint.save(target, model, config.model.spec(), training.weights)
    seconds = time.monotonic() - start
    runs.finish(folder, {"steps": training.options.steps, "seconds_of_this_start": seconds})
    say(f"wrote {target}")
    if isinstance(training.data, VectorsConfig):
        _check_vectors(config, training.data, config.model.lmbda, target, folder, say)
    return target


def _fingerprint(images: ImageSet) -> str:
    with Bars() as bars:
        return images.fingerprint(lambda done: bars.update("reading images", done, len(images)))


def _training_images(training: TrainConfig) -> ImageSet | None:
    data = training.data
    if isinstance(data, VectorsConfig):
        return None
    return open_images(data.source, data.path, data.split).take(data.take)


def _batches(training: TrainConfig, images: ImageSet | None, seed: int):
    data, batch = training.data, training.options.batch
    if isinstance(data, VectorsConfig):
        return gaussian.GaussianBatches(data.variances, batch, seed)
    assert images is not None
    return crops(images, data.crop, batch, seed, data.cache_gib)


def _check_vectors(
    config: Config, data: VectorsConfig, lmbda, target: Path, folder: Path, say: Say
) -> None:
    """Hold a model of Gaussian vectors against their R(D)."""
    low, high = lmbda if isinstance(lmbda, tuple) else (lmbda, lmbda)
    lmbdas = tuple(np.geomspace(low, high, 5)) if low < high else (low,)
    # Neither the key of the batches nor one folded from it.
    key = jax.random.key(config.seed + 2**31)
    vectors = gaussian.sample(key, data.variances, data.test_vectors)
    options = EvaluationOptions(lmbdas=lmbdas, seed=config.seed + 1)
    rows = evaluate_vectors(checkpoint.load(target), "gaussian-vector", vectors, options)
    write_table(folder / "rd.csv", rows)
    body = []
    for row in rows:
        rate, distortion = gaussian.rate_at_slope(data.variances, row.lmbda)
        best = rate + row.lmbda * distortion
        body.append(
            [f"{row.lmbda:.4g}", f"{row.bpp:.4f}", f"{row.mse:.4f}", f"{row.J:.4f}"]
            + [f"{best:.4f}", f"{row.J - best:+.4f} ± {row.J_se:.4f}"]
        )
    header = ["λ", "R (bits/dim)", "D", "J", "J on the exact R(D)", "above it"]
    lines = text.markdown_table(header, body)
    (folder / "report.md").write_text("\n".join(["# Gaussian vector", "", *lines, ""]))
    say("\n".join(lines))


def evaluate_run(config: Config, say: Say) -> Path:
    """Evaluate checkpoints; returns the run folder with its RD table and report."""
    if config.evaluation is None:
        raise ValueError("evaluation needs the section evaluation in the config")
    options = config.evaluation
    data = options.data
    images = open_images(data.source, data.path, data.split).take(data.take)
    loaded = [checkpoint.load(path) for path in options.checkpoints]
    folder = runs.open_run(config, _fingerprint(images))
    if runs.finished(folder):
        say(f"{folder}: finished before; nothing to do")
        return folder
    rows = evaluate_images(loaded, images, options, config.seed, folder)
    write_table(folder / "rd.csv", rows)
    (folder / "rd.partial.csv").unlink(missing_ok=True)
    report(rows, folder, options.anchor, say)
    runs.finish(folder, {"rows": len(rows)})
    return folder


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
        sga=SGAChannel(options.sga.initial, options.sga.decay, options.sga.start),
        seed=seed,
    )
    streams = folder / "streams" if options.keep_streams else None
    partial = folder / "rd.partial.csv"
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
    """Figures, gaps and ``report.md`` of a table, as far as its rows allow."""
    figures.save(figures.rd_figure(rows), folder / "rd_curve")
    sections = [("Rate and distortion", text.rd_lines(rows))]
    if any(r.method == "bound-refined" for r in rows) and any(
        r.method == "codec-refined-ideal" for r in rows
    ):
        sections += gap_report(rows, folder)
    lines = bd_rate_lines(rows, anchor)
    if lines:
        sections.append((f"BD-rate against {find(rows[0].dataset, anchor).label}", lines))
    document = ["# " + ", ".join(sorted({r.dataset for r in rows})), ""]
    for title, lines in sections:
        say(f"\n{title}\n")
        say("\n".join(lines))
        document += [f"## {title}", "", *lines, ""]
    document += _CONVENTIONS
    (folder / "report.md").write_text("\n".join(document) + "\n")


_CONVENTIONS = [
    "Conventions: J = R + λ·D, R in bits per pixel of the whole image (padding's rate counted), "
    "D = MSE on 0–255 over RGB; PSNR and bpp are means over images; the bound's reconstruction is "
    "real-valued, the codec's 8-bit; coded rates are whole files.",
]


def gap_report(rows: Sequence[Row], folder: Path, bound=None, codec=None, method="pchip"):
    """Write ``gaps.csv`` and its figure; return the titled sections of the report."""
    found = gaps(rows, bound, codec)
    write_gaps(folder / "gaps.csv", found)
    figures.save(figures.gap_figure(found), folder / "gaps")
    title = "Gaps in bits per pixel, mean over images [95 % interval]"
    sections = [(title, [*text.gap_lines(found), "", text.modeling_note(found)])]
    try:
        sections.append(("Gaps as BD-rate", text.bd_lines(bd_gaps(rows, bound, codec, method))))
    except ValueError as error:
        sections.append(("Gaps as BD-rate", [f"not computed: {error}"]))
    return sections


def bd_rate_lines(rows: Sequence[Row], anchor: str, method: str = "pchip") -> list[str]:
    """BD-rate of every curve of a table against a shipped anchor; empty without references."""
    dataset = rows[0].dataset
    try:
        base = from_reference(find(dataset, anchor))
    except ValueError:
        return []
    body = []
    for (_, model, name), curve in from_rows(rows).items():
        try:
            value = str(compare(base, curve, method))
        except ValueError as error:
            value = f"not computed: {error}"
        body.append([name, model, value])
    return text.markdown_table(["method", "model", f"BD-rate against {base.name}"], body)
