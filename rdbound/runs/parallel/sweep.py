"""A sweep: its cells one after another, and a table of what became of each.

OUTPUT/CELL/       the run folder of a cell
OUTPUT/sweep.csv   a row a cell: its options, its last J in training, its status, its folder
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rdbound.config import Config, cells
from rdbound.config.sweep import combinations, is_sweep
from rdbound.optimization.training_state import read_metrics
from rdbound.report.document import Table
from rdbound.report.markdown import block_lines
from rdbound.tables.csv_records import write_rows

__all__ = ["SUMMARY", "Runner", "each_cell", "one_by_one"]

SUMMARY = "sweep.csv"
Say = Callable[[str], None]
Value = str | int | float | None
_LOGGED = ("J", "held_out_J")


Runner = Callable[[Sequence[Config]], Iterator[tuple[Config, str | None]]]
"""Runs cells; yields each with None, or what went wrong, as they end."""


def one_by_one(run: Callable[[Config, Say], Path], say: Say) -> Runner:
    """The runner of this process, in order."""

    def runner(grid: Sequence[Config]) -> Iterator[tuple[Config, str | None]]:
        for cell in grid:
            try:
                run(cell, say)
                yield cell, None
            except ValueError as error:
                yield cell, str(error)

    return runner


def each_cell(
    config: Config, run: Callable[[Config, Say], Path], say: Say, runner: Runner | None = None
) -> None:
    """Run every cell of a config, or the config itself where it has no sweep.

    A cell that fails does not keep the others from running. ``sweep.csv`` is written after
    each of them; at the end it is said too, and ValueError raised, with a line for each cell
    that failed.

    Args:
      config: with or without a sweep.
      run: runs a cell in this process.
      say: told of the table at the end.
      runner: of the cells; this process by default.

    Raises :class:`rdbound.config.ConfigError` as :func:`rdbound.config.cells`,
    before any cell runs.
    """
    if not is_sweep(config):
        _the_one(config, run, say, runner)
        return
    assert config.sweep is not None
    grid = cells(config)
    status = {cell.output: "waiting" for cell in grid}
    failed = []
    for cell, wrong in (runner or one_by_one(run, say))(grid):
        status[cell.output] = "finished"
        if wrong is not None:
            lines = wrong.splitlines() or ["it did not say why"]
            status[cell.output] = f"failed: {lines[0]}"
            failed += [f"{Path(cell.output).name}: {line}" for line in lines]
        rows = _rows(config, grid, status)
        write_rows(Path(config.output) / SUMMARY, tuple(rows[0]), rows)
    say("\n".join(["", *block_lines(_table(rows))]))
    if failed:
        raise ValueError("\n".join(failed))


def _the_one(
    config: Config, run: Callable[[Config, Say], Path], say: Say, runner: Runner | None
) -> None:
    """Run a config without a sweep; raises ValueError with what a runner says went wrong."""
    if runner is None:
        run(config, say)
        return
    for _, wrong in runner([config]):
        if wrong is not None:
            raise ValueError(wrong)


def _rows(config: Config, grid: Sequence[Config], status: dict[str, str]) -> list[dict[str, Value]]:
    """A row a cell; what no cell has logged has no column."""
    assert config.sweep is not None
    logged = [_last_logged(Path(cell.output)) for cell in grid]
    known = [name for name in _LOGGED if any(name in values for values in logged)]
    return [
        {key: _plain(value) for key, value in values.items()}
        | {name: last.get(name) for name in known}
        | {"status": status[cell.output], "folder": cell.output}
        for cell, values, last in zip(grid, combinations(config.sweep), logged, strict=True)
    ]


def _plain(value) -> Value:
    """A value of the sweep: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _last_logged(folder: Path) -> dict[str, float]:
    """The last of each quantity in a cell's metrics; none of what is no training, or damaged."""
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
