"""A model × examples × methods → rows of the RD table: one loop for all of them.

    checkpoint = rdbound.load("res-context-4-bound")
    examples = ImageExamples(open_images("bundled-crops"))
    options = EvaluationOptions(lmbdas=(0.0067,), samples=4)
    for row in evaluate(checkpoint, examples, options):
        print(row.image, row.method, row.bpp, row.psnr, row.J)

Rows come as they are computed, so that what calls it can keep each (see
:mod:`rdbound.runs.evaluate`, which writes a partial table and resumes from it).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.evaluation.evaluator import Bench, Progress
from rdbound.evaluation.examples import Examples, VectorExamples
from rdbound.evaluation.options import LMBDAS, EvaluationOptions
from rdbound.models.base import check_lmbda
from rdbound.ops.image_quality import psnr
from rdbound.tables.rd import Row
from rdbound.utils.compilation import TooLargeError

__all__ = ["Task", "distinct", "evaluate", "exact_rows", "lmbdas_of", "task_rows", "tasks"]


class Task(NamedTuple):
    """What is computed together: examples of one padded shape, at one λ."""

    indexes: tuple[int, ...]
    lmbda: float


def evaluate(
    checkpoint: Checkpoint,
    examples: Examples,
    options: EvaluationOptions,
    streams: Path | None = None,
    known: Sequence[Row] = (),
    progress: Progress = lambda *_: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """Rows of one checkpoint on images or vectors, every λ, as they are computed.

    A row whose J is not finite is left out and told. A batch is known only where all
    of its rows are: else all are computed again, with the same noise.

    Args:
      checkpoint: of any latent model.
      examples: what it is evaluated on.
      options: how.
      streams: a folder to keep written bytes in; coded rows are what these decode to.
      known: rows of an interrupted evaluation, which are not repeated.
      progress: see :data:`rdbound.evaluation.evaluator.Progress`.
      warn: told of examples whose refinement failed.

    Raises ValueError for a λ outside the range of the weights, or a method that
    does not apply.
    """
    todo = tasks(checkpoint, examples, options)
    bench = Bench(checkpoint, examples, options)
    kept = {row.key: row for row in known}
    done, total = 0, sum(len(task.indexes) for task in todo)
    for task in todo:
        progress(checkpoint.name, done, total)
        keys = bench.keys(*task)
        if all(key in kept for key in keys):
            yield from (kept[key] for key in keys)
        else:
            yield from task_rows(bench, task, streams, progress, warn)
        done += len(task.indexes)
    progress(checkpoint.name, done, total)


def tasks(checkpoint: Checkpoint, examples: Examples, options: EvaluationOptions) -> list[Task]:
    """The tasks of an evaluation, or of its shard, in the order of its rows.

    Raises ValueError as :func:`evaluate`.
    """
    lmbdas = lmbdas_of(checkpoint, options.lmbdas)
    groups = examples.groups(checkpoint.model.stride, options.together)
    # All λ of a size together: its programs are not kept for ever.
    todo = [Task(indexes, lmbda) for indexes in groups for lmbda in lmbdas]
    first, stride = options.shard or (0, 1)
    return todo[first::stride]


def task_rows(
    bench: Bench, task: Task, streams: Path | None, progress: Progress, warn: Callable[[str], None]
) -> Iterator[Row]:
    """The rows of one task; one whose J is not finite is left out and told."""
    rows = partial(_as_fits, bench) if bench.options.batch == "auto" else bench.rows
    for row in rows(*task, streams, progress, warn):
        if np.isfinite(row.J):
            yield row
        else:
            warn(
                f"{row.dataset}/{row.image}, λ = {task.lmbda:g}: {row.method} left out, "
                "J is not finite"
            )


def _as_fits(
    bench: Bench,
    indexes: tuple[int, ...],
    lmbda: float,
    streams: Path | None,
    progress: Progress,
    warn: Callable[[str], None],
) -> Iterator[Row]:
    """The rows of a task, its examples in as few batches as memory has room for.

    Where a program turns out too large, as many examples are taken as its need says, for this
    λ and those that follow.
    """
    left = indexes
    while left:
        piece = left[: bench.room.get(indexes, len(indexes))]
        try:
            rows = list(bench.rows(piece, lmbda, streams, progress, warn))
        except TooLargeError as error:
            if len(piece) == 1:
                raise
            bench.room[indexes] = _fewer(len(piece), error.share, len(jax.devices()))
            continue
        yield from rows
        left = left[len(piece) :]


def _fewer(count: int, share: float, devices: int) -> int:
    """How many of ``count`` examples fit where ``share`` of them do, for all devices alike."""
    fits = max(1, min(count - 1, int(count * share)))
    return fits - fits % devices if fits > devices else fits


def lmbdas_of(checkpoint: Checkpoint, lmbdas: Sequence[float] | None) -> tuple[float, ...]:
    """``lmbdas``, or all that a checkpoint serves where None.

    These are its one λ where its rate is fixed, and else those of
    :data:`rdbound.evaluation.options.LMBDAS` in its range. Raises ValueError for a λ given
    twice or outside the range of the weights, and where there is none to take.
    """
    low, high = checkpoint.model.lmbda_range
    if lmbdas is None:
        lmbdas = (low,) if low == high else [v for v in LMBDAS if low <= v <= high]
        if not lmbdas:
            usual = ", ".join(f"{v:g}" for v in LMBDAS)
            raise ValueError(
                f"{checkpoint.name} serves λ from {low:g} to {high:g}, none of {usual}: give lmbdas"
            )
    for lmbda in distinct(lmbdas):
        check_lmbda(lmbda, (low, high))
    return tuple(lmbdas)


def distinct(lmbdas: Sequence[float]) -> Sequence[float]:
    """``lmbdas``; raises ValueError where one is given twice."""
    if len(set(lmbdas)) < len(lmbdas):
        raise ValueError(f"lmbdas holds a value twice: {', '.join(f'{v:g}' for v in lmbdas)}")
    return lmbdas


def exact_rows(examples: VectorExamples, lmbdas: Sequence[float], seed: int = 0) -> list[Row]:
    """The source's own R(D) as rows of the method ``exact``; none where theory has no answer.

    One row for each block and λ, all blocks alike: R(D) is of the source.

    Args:
      examples: whose source is asked.
      lmbdas: in bits per unit of distortion.
      seed: for the column of that name.
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
                    psnr=psnr(point.distortion, 1.0),
                    ms_ssim=None,
                    J=point.J(lmbda),
                    J_se=None,
                    steps=0,
                    samples=0,
                    seed=seed,
                )
            )
    return rows
