"""Evaluate by several processes, each on cores of its own if the system allows it.

Each opens what the configuration names for itself and computes tasks
(:class:`rdbound.evaluation.plan.Task`); the noise of a row is keyed by what the row is of, so
that it is the same whoever computes it. A process ends with the one that began it.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from rdbound.config import Config
from rdbound.evaluation.evaluate import task_rows
from rdbound.evaluation.evaluator import Evaluator
from rdbound.evaluation.plan import Plan, Task
from rdbound.runs.inputs import open_inputs
from rdbound.tables.rd import Row
from rdbound.utils.progress import LOG

__all__ = ["Done", "by_processes", "core_sets", "ended"]


@dataclass(frozen=True)
class Done:
    """The rows of a task of a plan, and the warnings that it logged."""

    plan: int
    task: Task
    rows: list[Row]
    warnings: list[str]


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
) -> Iterator[Done]:
    """Tasks of plans, each computed by one of ``count`` processes, as they are done.

    Args:
      config: with a section ``evaluation``.
      work: (index of the plan, task), the long ones first where one can choose.
      count: of processes.
      streams: a folder for the bytes of coded rows; None keeps none.

    Raises:
      ValueError: see :func:`rdbound.evaluation.evaluate.evaluate`; or the system ended a process.
    """
    # Resources that a Ctrl-C leaves are freed all the same, and need no warning.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    context = get_context("spawn")
    cores: Any = context.Queue()
    for own in core_sets(count):
        cores.put(own)
    pool = ProcessPoolExecutor(count, context, _begin, (config, cores, streams))
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

    plans: Sequence[Plan]
    streams: Path | None
    evaluators: dict[int, Evaluator] = field(default_factory=dict)

    def evaluator(self, plan: int) -> Evaluator:
        """Return the evaluator of a plan, made once."""
        if plan not in self.evaluators:
            self.evaluators[plan] = Evaluator(self.plans[plan], self.streams)
        return self.evaluators[plan]


class _Warnings(logging.Handler):
    """Keeps what is logged, for the process that shows it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


_here: _Here | None = None
_warnings = _Warnings()


def _begin(config: Config, cores: Any, streams: Path | None) -> None:
    """Open everything, on this process's cores."""
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    own = cores.get()
    if own:
        os.sched_setaffinity(0, own)
    LOG.addHandler(_warnings)
    LOG.propagate = False  # the first process shows them
    _here = _Here(open_inputs(config).plans, streams)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _compute(plan: int, task: Task) -> Done:
    assert _here is not None
    _warnings.texts = []
    rows = list(task_rows(_here.evaluator(plan), task))
    return Done(plan, task, rows, _warnings.texts)
