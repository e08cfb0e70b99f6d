"""Run the cells of a sweep, and write a table of their options and results.

OUTPUT/CELL/       the run folder of a cell
OUTPUT/sweep.csv   a row for each cell: options, last J in training, status, folder
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rdbound.config import Config, cells
from rdbound.config.sweep import combinations, is_sweep
from rdbound.optimization.training_state import read_metrics
from rdbound.report.document import Table
from rdbound.report.markdown import block_lines
from rdbound.tables.csv_records import write_rows
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["SUMMARY", "Run", "Runner", "each_cell", "one_by_one"]

SUMMARY = "sweep.csv"
Value = str | int | float | None
_LOGGED = ("J", "held_out_J")


Run = Callable[[Config, Progress], Path]
"""(config, progress) → the run folder."""

Runner = Callable[[Sequence[Config]], Iterator[tuple[Config, str | None]]]
"""Runs cells, and yields each with its error message, or None, as it ends."""


def one_by_one(run: Run, progress: Progress = SILENT) -> Runner:
    """Return the runner that runs the cells in this process, in order."""

    def runner(grid: Sequence[Config]) -> Iterator[tuple[Config, str | None]]:
        for cell in grid:
            try:
                run(cell, progress)
                yield cell, None
            except ValueError as error:
                yield cell, str(error)

    return runner


def each_cell(
    config: Config, run: Run, runner: Runner | None = None, progress: Progress = SILENT
) -> None:
    """Run every cell of a config, or the config itself if it has no sweep.

    The other cells run even if one fails. ``sweep.csv`` is written after each cell and logged
    at the end.

    Args:
      config: a configuration, with or without a sweep.
      run: runs one cell in this process.
      runner: runs all cells; by default this process, one after another.
      progress: receives the progress of a cell in this process.

    Raises:
      ConfigError: the sweep is wrong (:func:`rdbound.config.cells`), before any cell runs.
      ValueError: cells failed; the message has a line for each of them.
    """
    if not is_sweep(config):
        _run_alone(config, run, runner, progress)
        return
    assert config.sweep is not None
    grid = cells(config)
    status = {cell.output: "waiting" for cell in grid}
    failed = []
    for cell, wrong in (runner or one_by_one(run, progress))(grid):
        status[cell.output] = "finished"
        if wrong is not None:
            lines = wrong.splitlines() or ["no message"]
            status[cell.output] = f"failed: {lines[0]}"
            failed += [f"{Path(cell.output).name}: {line}" for line in lines]
        rows = _rows(config, grid, status)
        write_rows(Path(config.output) / SUMMARY, tuple(rows[0]), rows)
    LOG.info("\n".join(["", *block_lines(_table(rows))]))
    if failed:
        raise ValueError("\n".join(failed))


def _run_alone(config: Config, run: Run, runner: Runner | None, progress: Progress) -> None:
    """Run a config without a sweep; raise ValueError with the error of a runner."""
    if runner is None:
        run(config, progress)
        return
    for _, wrong in runner([config]):
        if wrong is not None:
            raise ValueError(wrong)


def _rows(config: Config, grid: Sequence[Config], status: dict[str, str]) -> list[dict[str, Value]]:
    """Return a row for each cell, with columns of the quantities that any cell has logged."""
    assert config.sweep is not None
    logged = [_last_logged(Path(cell.output)) for cell in grid]
    known = [name for name in _LOGGED if any(name in values for values in logged)]
    return [
        {key: _plain(value) for key, value in values.items()}
        | {name: last.get(name) for name in known}
        | {"status": status[cell.output], "folder": cell.output}
        for cell, values, last in zip(grid, combinations(config.sweep), logged, strict=True)
    ]


def _plain(value: Any) -> Value:
    """Return a value of the sweep, lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _last_logged(folder: Path) -> dict[str, float]:
    """Return the last value of each quantity in a cell's metrics, if it has readable ones."""
    try:
        return {name: value for log in read_metrics(folder) for name, value in log.items()}
    except ValueError:
        return {}


def _table(rows: Sequence[dict[str, Value]]) -> Table:
    texts = [[_shown(value) for value in row.values()] for row in rows]
    return Table(tuple(rows[0]), texts)


def _shown(value: Value) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
