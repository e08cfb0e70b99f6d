"""A model × examples × methods → rows of the RD table: one loop for all of them.

    checkpoint = rdbound.load("res-context-4-bound")
    examples = ImageExamples(open_images("bundled-crops"))
    options = EvaluationOptions(lmbdas=(0.0067,), samples=4)
    for row in evaluate(checkpoint, examples, options):
        print(row.image, row.method, row.bpp, row.psnr, row.J)

Rows come as they are computed, so that the caller can keep each (see
:mod:`rdbound.runs.evaluate`, which appends to a partial table and resumes from it).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.evaluation.evaluator import Evaluator
from rdbound.evaluation.examples import Examples, VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.evaluation.plan import Plan, Task, make_plan, row_keys
from rdbound.evaluation.rows import batch_rows
from rdbound.ops.image_quality import psnr
from rdbound.tables.rd import Row
from rdbound.utils.compilation import TooLargeError
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["evaluate", "evaluate_plan", "exact_rows", "fitting", "task_rows"]


def evaluate(
    checkpoint: Checkpoint,
    examples: Examples,
    options: EvaluationOptions,
    streams: Path | None = None,
    known: Sequence[Row] = (),
    progress: Progress = SILENT,
) -> Iterator[Row]:
    """Yield the rows of one checkpoint on images or vectors, every λ, as they are computed.

    Args:
      checkpoint: any latent model but a lossless one.
      examples: the images or vectors.
      options: how they are evaluated.
      streams: a folder for the bytes of coded rows; None keeps none.
      known: rows of an interrupted evaluation, which are not computed again.
      progress: where it reports how many examples are done.

    Raises:
      ValueError: See :func:`rdbound.evaluation.plan.make_plan` and
        :func:`rdbound.evaluation.rows.batch_rows`.
    """
    yield from evaluate_plan(make_plan(checkpoint, examples, options), streams, known, progress)


def evaluate_plan(
    plan: Plan, streams: Path | None = None, known: Sequence[Row] = (), progress: Progress = SILENT
) -> Iterator[Row]:
    """Yield the rows of a plan; see :func:`evaluate`.

    A batch is known only if all of its rows are: else all are computed again, with the same
    noise.
    """
    evaluator, kept = Evaluator(plan, streams, progress), {row.key: row for row in known}
    name, total = plan.checkpoint.name, plan.units
    for task in plan.tasks:
        progress.update(name, evaluator.progress.done, total)
        keys = row_keys(plan, task)
        if all(key in kept for key in keys):
            yield from (kept[key] for key in keys)
            evaluator.progress.done += len(task.indexes)
        else:
            yield from task_rows(evaluator, task)
    progress.update(name, total, total)


def task_rows(evaluator: Evaluator, task: Task) -> Iterator[Row]:
    """Yield the rows of one task.

    A row whose J is not finite is left out with a warning. With ``batch: auto``, examples of a
    program that needs too much memory are taken in smaller batches, at this λ and later ones.
    """
    left, done = task.indexes, evaluator.progress.done
    while left:
        piece = left[: evaluator.room.get(task.indexes, len(left))]
        try:
            rows = list(batch_rows(evaluator, piece, task.lmbda))
        except TooLargeError as error:
            if len(piece) == 1 or evaluator.plan.options.batch != "auto":
                raise
            evaluator.room[task.indexes] = fitting(len(piece), error.share, len(jax.devices()))
            evaluator.progress.done = done
            continue
        yield from filter(_is_finite, rows)
        left, done = left[len(piece) :], evaluator.progress.done


def _is_finite(row: Row) -> bool:
    """Whether J of a row is finite; log a warning if it is not."""
    if not np.isfinite(row.J):
        where = f"{row.dataset}/{row.image}, λ = {row.lmbda:g}"
        LOG.warning("%s: %s left out, J is not finite", where, row.method)
    return bool(np.isfinite(row.J))


def fitting(count: int, share: float, devices: int) -> int:
    """Return how many of ``count`` examples fit if a ``share`` of their memory is free.

    At least one, fewer than ``count``, and a multiple of ``devices`` if possible.
    """
    fits = max(1, min(count - 1, int(count * share)))
    return fits - fits % devices if fits > devices else fits


def exact_rows(examples: VectorExamples, lmbdas: Sequence[float], seed: int = 0) -> list[Row]:
    """Return the source's own R(D) as rows of the method ``exact``.

    One row for each block and λ, equal for all blocks; none if R(D) is unknown.

    Args:
      examples: vectors of the source.
      lmbdas: trade-offs in bits per unit of distortion.
      seed: value of the column of that name.
    """
    rows = []
    for lmbda in lmbdas:
        point = examples.source.exact(lmbda)
        if point is None:
            continue
        pixels = examples.batch((0,), 1).pixels(0)
        for name in examples.names:
            rows.append(
                Row(
                    dataset=examples.name,
                    image=name,
                    model="exact",
                    lmbda=float(lmbda),
                    method="exact",
                    pixels=pixels,
                    bits=point.rate * pixels,
                    bytes=None,
                    bpp=point.rate,
                    mse=point.distortion,
                    psnr=psnr(point.distortion, examples.peak),
                    ms_ssim=None,
                    J=point.J(lmbda),
                    J_se=None,
                    steps=0,
                    samples=0,
                    seed=seed,
                )
            )
    return rows
