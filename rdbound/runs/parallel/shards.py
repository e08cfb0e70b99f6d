"""Divide one evaluation among several jobs, each of which computes a share of the tasks.

    OUTPUT/shards/1-of-4/rd.csv   the rows of every fourth task
    OUTPUT/shards/jobs            configs and logs of the jobs

When all have ended, their rows become the partial table of the whole evaluation, which then has
nothing left to compute. The noise of a row is keyed by its image, λ and method, so that the rows
equal those of one process.
"""

import shutil
from pathlib import Path

from rdbound.config import Config
from rdbound.runs import run_folder
from rdbound.runs.evaluate import PARTIAL, STREAMS, enter_evaluation, evaluate_entered
from rdbound.runs.parallel.launchers import SHARDS
from rdbound.runs.parallel.sweep import Runner
from rdbound.runs.run_folder import PICTURES, RD_TABLE
from rdbound.tables.rd import Row, read_table, write_table
from rdbound.utils.progress import SILENT, Progress

__all__ = ["evaluate_in_shards", "shards"]


def shards(config: Config, count: int) -> list[Config]:
    """Return the configs of ``count`` shards of an evaluation, each with its own folder."""
    assert config.evaluation is not None
    grid = []
    for number in range(count):
        section = config.evaluation.model_copy(update={"shard": (number, count)})
        output = str(Path(config.output) / SHARDS / f"{number + 1}-of-{count}")
        grid.append(config.model_copy(update={"evaluation": section, "output": output}))
    return grid


def evaluate_in_shards(
    config: Config, count: int, runner: Runner, progress: Progress = SILENT
) -> Path:
    """Evaluate by ``count`` jobs, and return the run folder.

    Args:
      config: a configuration of an evaluation, without a sweep.
      count: number of shards.
      runner: runs the configs of the shards, whose folder is OUTPUT/shards.
      progress: receives the progress of this process.

    Raises:
      ValueError: see :func:`rdbound.runs.evaluate.evaluate_run`, before any job runs; or shards
        failed, with a line for each: the same call again computes only these.
    """
    with enter_evaluation(config) as run:
        if not run_folder.finished(run.folder):
            ended = runner(shards(config, count))
            failed = [(one, wrong) for one, wrong in ended if wrong is not None]
            if failed:
                raise ValueError(
                    "\n".join(f"shard {Path(one.output).name}: {wrong}" for one, wrong in failed)
                )
            _merge(config, count, run.folder)
        return evaluate_entered(run, progress)


def _merge(config: Config, count: int, folder: Path) -> None:
    """Join the rows of all shards in the partial table, and copy their streams and pictures."""
    rows: dict[tuple, Row] = {}
    for one in shards(config, count):
        part = Path(one.output)
        rows |= {row.key: row for row in read_table(part / RD_TABLE)}
        for kept in (STREAMS, PICTURES):
            if (part / kept).is_dir():
                shutil.copytree(part / kept, folder / kept, dirs_exist_ok=True)
    write_table(folder / PARTIAL, rows.values())
