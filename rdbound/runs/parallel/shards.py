"""One evaluation by many jobs: each computes a share of the tasks and leaves a table of it.

    OUTPUT/shards/1-of-4/rd.csv   the rows of every fourth :class:`rdbound.evaluation.plan.Task`
    OUTPUT/shards/jobs            configs and logs of the jobs

When the last one ends, their rows are the partial table of the whole, which then has nothing
left to compute. The noise of a row is keyed by what the row is of: rows are those of one process.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from rdbound.config import Config
from rdbound.runs import run_folder
from rdbound.runs.evaluate import PARTIAL, STREAMS, enter_evaluation, evaluate_entered
from rdbound.runs.parallel.launchers import SHARDS
from rdbound.runs.parallel.sweep import Runner
from rdbound.runs.run_folder import PICTURES, RD_TABLE
from rdbound.tables.rd import Row, read_table, write_table

__all__ = ["evaluate_in_shards", "shards"]


def shards(config: Config, count: int) -> list[Config]:
    """The configs of ``count`` shards of an evaluation, each with a folder of its own."""
    assert config.evaluation is not None
    grid = []
    for number in range(count):
        section = config.evaluation.model_copy(update={"shard": (number, count)})
        output = str(Path(config.output) / SHARDS / f"{number + 1}-of-{count}")
        grid.append(config.model_copy(update={"evaluation": section, "output": output}))
    return grid


def evaluate_in_shards(
    config: Config, count: int, runner: Runner, say: Callable[[str], None]
) -> Path:
    """Evaluate by ``count`` jobs; returns the run folder, as
    :func:`rdbound.runs.evaluate.evaluate_run`.

    Args:
      config: of an evaluation, no sweep.
      count: of shards.
      runner: of their configs; their folder is OUTPUT/shards.
      say: told of the results.

    Raises ValueError as that does, before any job run_folder, and with a line for each
    shard that failed: the same again computes these only.
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
        return evaluate_entered(run)


def _merge(config: Config, count: int, folder: Path) -> None:
    """The rows of all shards as the partial table, and what they kept beside it."""
    rows: dict[tuple, Row] = {}
    for one in shards(config, count):
        part = Path(one.output)
        rows |= {row.key: row for row in read_table(part / RD_TABLE)}
        for kept in (STREAMS, PICTURES):
            if (part / kept).is_dir():
                shutil.copytree(part / kept, folder / kept, dirs_exist_ok=True)
    write_table(folder / PARTIAL, rows.values())
