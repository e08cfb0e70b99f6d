"""Where the cells of a sweep run: processes of this machine, or jobs of a cluster.

Each cell is the command that its user would type, on a config of its own:

    OUTPUT/jobs/CELL.yaml   the config
    OUTPUT/jobs/CELL.log    what the command said, one attempt after another

OUTPUT is the folder of the sweep, or that around the one run of a config without a sweep.

A cell that was finished before is not run again. One that a signal ended, from whoever wanted
its memory or its time, is begun again and goes on from its last checkpoint.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from rdbound.config import Config, load_config, to_yaml
from rdbound.report.document import Table
from rdbound.runs import run_folder
from rdbound.runs.parallel.by_name import run_of
from rdbound.runs.parallel.processes import core_sets
from rdbound.runs.parallel.sweep import Runner
from rdbound.runs.run_folder import is_locked
from rdbound.utils.atomic_files import write_text

__all__ = [
    "ATTEMPTS",
    "SHARDS",
    "CellJob",
    "SlurmOptions",
    "by_commands",
    "by_submitit",
    "status_table",
]

ATTEMPTS = 3
"""Of a cell that signals end."""
JOBS = "jobs"
SHARDS = "shards"
"""The folder of the parts of one evaluation (:mod:`rdbound.runs.parallel.shards`)."""


@dataclass(frozen=True)
class SlurmOptions:
    """What a cluster is asked for.

    Attributes:
      partition: of it; None for its default.
      gpus: of a job.
      minutes: of a job; one that takes longer is queued again and goes on.
      at_once: jobs of the array.
    """

    partition: str | None = None
    gpus: int = 0
    minutes: int = 1440
    at_once: int = 2


def by_commands(
    kind: str, folder: Path, count: int, program: Sequence[str] = (sys.executable, "-m", "rdbound")
) -> Runner:
    """A runner of ``count`` processes at once, each on cores of its own where it can be so.

    Args:
      kind: the command, of :data:`rdbound.runs.parallel.by_name.RUNS`.
      folder: of the sweep.
      count: of processes.
      program: what runs the command.
    """

    def runner(grid: Sequence[Config]) -> Iterator[tuple[Config, str | None]]:
        yield from ((cell, None) for cell in grid if _is_finished(cell))
        todo = [cell for cell in grid if not _is_finished(cell)]
        cores: SimpleQueue[set[int]] = SimpleQueue()
        for own in core_sets(count):
            cores.put(own)
        started: set[subprocess.Popen] = set()
        with ThreadPoolExecutor(count) as pool:
            try:
                work = {
                    pool.submit(_run_command, [*program, kind], folder, cell, cores, started): cell
                    for cell in todo
                }
                for done in as_completed(work):
                    yield work[done], done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(started):
                    process.terminate()
                raise

    return runner


def _run_command(
    command: Sequence[str],
    folder: Path,
    cell: Config,
    cores: "SimpleQueue[set[int]]",
    started: set[subprocess.Popen],
) -> str | None:
    """Run a cell to its end; returns what went wrong."""
    config = _cell_config(folder, cell)
    log, own = config.with_suffix(".log"), cores.get()
    try:
        for _ in range(ATTEMPTS):
            with log.open("ab") as file:
                process = subprocess.Popen(  # noqa: S603
                    [*command, str(config)], stdout=file, stderr=subprocess.STDOUT
                )
                if own:  # before it has threads, which inherit this
                    os.sched_setaffinity(process.pid, own)
                started.add(process)
                code = process.wait()
                started.discard(process)
            if code == 0:
                return None
            if code > 0:
                return _last_line(log)
        return f"ended by signal {-code} {ATTEMPTS} times; its log is {log}"
    finally:
        cores.put(own)


def by_submitit(kind: str, folder: Path, options: SlurmOptions, cluster: str = "slurm") -> Runner:
    """A runner of jobs of a cluster, through submitit: each cell a job of one array.

    A job that is preempted, or out of time, is queued again by submitit and goes on. The runner
    waits for all; where it is stopped, jobs go on, and the same command finds what they did.

    Args:
      kind: the command, of :data:`rdbound.runs.parallel.by_name.RUNS`.
      folder: of the sweep, which all machines see.
      options: of the jobs.
      cluster: of submitit's: ``slurm``, or ``local`` to try it.

    Raises ValueError where submitit is missing, or refuses.
    """
    try:
        import submitit
    except ImportError:
        raise ValueError("--engine slurm needs pip install 'rdbound[cluster]'") from None

    def runner(grid: Sequence[Config]) -> Iterator[tuple[Config, str | None]]:
        settled = {cell.output for cell in grid if _is_finished(cell)}
        yield from ((cell, None) for cell in grid if cell.output in settled)
        busy = [c for c in grid if c.output not in settled and is_locked(Path(c.output))]
        for cell in busy:
            yield cell, "is at work already; see rdbound status"
        settled |= {cell.output for cell in busy}
        todo = [cell for cell in grid if cell.output not in settled]
        if not todo:
            return
        (folder / JOBS).mkdir(parents=True, exist_ok=True)
        try:
            executor = submitit.AutoExecutor(folder / JOBS / "%j", cluster=cluster)
            executor.update_parameters(**_parameters(options, cluster))
            with executor.batch():
                jobs = [
                    executor.submit(CellJob(kind), str(_cell_config(folder, cell))) for cell in todo
                ]
        except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
            raise ValueError(f"{cluster}: {str(error).splitlines()[0]}") from None
        for cell, job in zip(todo, jobs, strict=True):
            yield cell, _result(job)

    return runner


def _parameters(options: SlurmOptions, cluster: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"name": "rdbound", "timeout_min": options.minutes}
    if options.gpus:
        asked["gpus_per_node"] = options.gpus
    if cluster == "slurm":
        asked["slurm_array_parallelism"] = options.at_once
        if options.partition is not None:
            asked["slurm_partition"] = options.partition
    return asked


def _result(job: Any) -> str | None:
    """What went wrong with a job, once it has ended."""
    import submitit

    try:
        return job.result()
    except submitit.core.utils.UncompletedJobError as error:
        return f"job {job.job_id} did not end well: {str(error).splitlines()[0]}"
    except submitit.core.utils.FailedJobError as error:
        return f"job {job.job_id}: {str(error).strip().splitlines()[-1]}"


@dataclass(frozen=True)
class CellJob:
    """One cell in a job; what submitit pickles.

    Attributes:
      kind: the command, of :data:`rdbound.runs.parallel.by_name.RUNS`.
    """

    kind: str

    def __call__(self, path: str) -> str | None:
        """Run the config at ``path``; returns what went wrong."""
        try:
            run_of(self.kind)(load_config(path), print)
        except ValueError as error:
            return str(error)
        return None

    def checkpoint(self, path: str) -> Any:
        """What submitit queues again in place of a job that was preempted or ran out of time."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, path)


def status_table(folder: Path) -> Table:
    """What became of every cell so far: finished, running, failed or waiting, and its last line.

    Args:
      folder: of a sweep, of an evaluation in shards, or of one run.

    Raises ValueError where no engine ran any of them.
    """
    alone = folder.parent / JOBS / f"{folder.name}.yaml"
    configs = [
        *sorted((folder / JOBS).glob("*.yaml")),
        *sorted((folder / SHARDS / JOBS).glob("*.yaml")),
        *([alone] if alone.exists() else []),
    ]
    if not configs:
        raise ValueError(f"{folder}: nothing that was run by --engine local or slurm")
    rows = []
    for config in configs:
        run, log = config.parents[1] / config.stem, config.with_suffix(".log")
        if run_folder.finished(run):
            state = "finished"
        elif is_locked(run):
            state = "running"
        else:
            state = "failed" if log.exists() else "waiting"
        rows.append((config.stem, state, _last_line(log) if log.exists() else "–"))
    return Table(("cell", "status", "last line of its log"), rows)


def _is_finished(cell: Config) -> bool:
    return run_folder.finished(Path(cell.output))


def _cell_config(folder: Path, cell: Config) -> Path:
    """Where the config of a cell is written."""
    path = folder / JOBS / f"{Path(cell.output).name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, to_yaml(cell))
    return path


def _last_line(log: Path) -> str:
    """What a log says last, bars and marks of errors apart."""
    text = log.read_bytes()[-4096:].decode(errors="replace").replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("rdbound: error: ") if lines else "it said nothing"
