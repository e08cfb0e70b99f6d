"""Evaluate by several processes, each on cores of its own if the system allows it.

Each process opens the models and data of the configuration for itself and computes tasks
(:class:`rdbound.evaluation.evaluate.Task`). The noise of a row is keyed by its image, λ and
method, so that it does not depend on the process. A process ends with the one that started it.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.config import Config
from rdbound.evaluation.evaluate import Task, task_rows
from rdbound.evaluation.evaluator import Bench
from rdbound.evaluation.examples import Examples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.evaluation.reconstructions import Pictures
from rdbound.runs.inputs import Subject, evaluation_options, open_examples, open_subjects
from rdbound.tables.rd import Row

__all__ = ["Done", "Part", "by_processes", "core_sets", "ended", "parts_of"]

Part = tuple[Checkpoint, EvaluationOptions]


@dataclass(frozen=True)
class Done:
    """The rows of a task of a part, and the warnings that came with them."""

    part: int
    task: Task
    rows: list[Row]
    warnings: list[str]


def parts_of(subjects: Sequence[Subject], options: EvaluationOptions) -> list[Part]:
    """Return every checkpoint of the models, with the options for the λ that it serves."""
    return [
        (one, replace(options, lmbdas=lmbdas))
        for subject in subjects
        for one, lmbdas in subject.parts
    ]


def core_sets(count: int) -> list[set[int]]:
    """Divide the cores of this process evenly among ``count`` others, at least one for each.

    Returns:
      A set of cores for each process; empty sets if the system cannot bind processes to cores.
    """
    if not hasattr(os, "sched_getaffinity"):
        return [set() for _ in range(count)]
    cores = sorted(os.sched_getaffinity(0))
    return [set(cores[i::count]) or {cores[i % len(cores)]} for i in range(count)]


def by_processes(
    config: Config,
    work: Sequence[tuple[int, Task]],
    count: int,
    streams: Path | None,
    pictures: Pictures | None,
) -> Iterator[Done]:
    """Compute tasks by ``count`` processes, and yield each as it ends.

    Args:
      config: a configuration with the section ``evaluation``.
      work: (index of the part, task) of each task, best with the long ones first.
      count: number of processes.
      streams: a folder for the bytes of coded rows, or None to keep none.
      pictures: see :class:`rdbound.evaluation.options.EvaluationOptions`.

    Raises:
      ValueError: see :func:`rdbound.evaluation.evaluate.evaluate`; or the system ended a process.
    """
    # Resources that a Ctrl-C leaves are freed all the same, and need no warning.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    context = get_context("spawn")
    cores: Any = context.Queue()
    for own in core_sets(count):
        cores.put(own)
    pool = ProcessPoolExecutor(count, context, _begin, (config, cores, streams, pictures))
    with ended(pool):
        try:
            for done in as_completed([pool.submit(_compute, *one) for one in work]):
                yield done.result()
        except BrokenProcessPool:
            raise ValueError(
                f"one of {count} processes was ended from outside, most likely for want of "
                "memory; start the same command again, with a smaller evaluation.processes"
            ) from None


@contextmanager
def ended(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Shut the pool down at the end, and stop its processes at once after an exception."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()
        raise
    pool.shutdown()


@dataclass(frozen=True)
class _Here:
    """The models and data that a process has opened."""

    parts: Sequence[Part]
    examples: Examples
    streams: Path | None
    benches: dict[int, Bench] = field(default_factory=dict)

    def bench(self, part: int) -> Bench:
        """Return the bench of a part, made once."""
        if part not in self.benches:
            checkpoint, options = self.parts[part]
            self.benches[part] = Bench(checkpoint, self.examples, options)
        return self.benches[part]


_here: _Here | None = None


def _begin(config: Config, cores: Any, streams: Path | None, pictures: Pictures | None) -> None:
    """Open models and data in a new process, on its own cores."""
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    own = cores.get()
    if own:
        os.sched_setaffinity(0, own)
    section = config.evaluation
    assert section is not None
    options = replace(evaluation_options(section, config.seed), pictures=pictures)
    parts = parts_of(open_subjects(section), options)
    _here = _Here(parts, open_examples(section, config.seed), streams)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _compute(part: int, task: Task) -> Done:
    assert _here is not None
    warnings: list[str] = []
    quiet = lambda *_: None  # noqa: E731
    rows = list(task_rows(_here.bench(part), task, _here.streams, quiet, warnings.append))
    return Done(part, task, rows, warnings)
