"""What the cells of a record hold: readers, which say what is wrong with a cell."""

import math
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = [
    "Cell",
    "CellReader",
    "cell_error",
    "number",
    "optional",
    "read_cells",
    "repeated",
    "text",
    "integer",
]

Cell = str | int | float | None
"""What a cell holds; None is an empty one."""

CellReader = Callable[[str], Cell]
"""From text to a value; raises ValueError with a predicate, ``is not a number``."""

_SHOWN = 40  # characters of a cell that a message repeats


def read_cells(
    path: Path, line: int, record: Mapping[str, str], readers: Mapping[str, CellReader]
) -> dict[str, Any]:
    """The values of a record by column.

    Raises ValueError naming the file, the line and the first column whose reader refuses.
    """
    values = {}
    for name, read in readers.items():
        try:
            values[name] = read(record[name])
        except ValueError as error:
            raise cell_error(path, line, name, record[name], str(error)) from None
    return values


def cell_error(path: Path, line: int, name: str, cell: Cell, wrong: str) -> ValueError:
    """The error that ``cell`` of the column ``name`` is, in one line."""
    shown = cell if not isinstance(cell, str) or len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…"
    return ValueError(f"{path}, line {line}: {name} = {shown!r} {wrong}")


def text(cell: str) -> str:
    """A reader of what must not be empty; one object for all cells that say the same."""
    if not cell:
        raise ValueError("is empty")
    return sys.intern(cell)


def number(
    least: float | None = None, above: float | None = None, finite: bool = True
) -> Callable[[str], float]:
    """A reader of numbers from ``least`` or above ``above``; NaN and ±∞ only if not ``finite``."""

    def read(cell: str) -> float:
        try:
            value = float(cell)
        except ValueError:
            raise ValueError("is not a number") from None
        if finite and not math.isfinite(value):
            raise ValueError("is not a finite number")
        if least is not None and value < least:
            raise ValueError(f"is below {least:g}")
        if above is not None and value <= above:
            raise ValueError(f"is not above {above:g}")
        return value

    return read


def integer(least: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers from ``least``; ``3.0``, as some programs write it, is one."""

    def read(cell: str) -> int:
        try:
            value = int(cell.removesuffix(".0"))
        except ValueError:
            raise ValueError("is not a whole number") from None
        if least is not None and value < least:
            raise ValueError(f"is below {least}")
        return value

    return read


def repeated(read: CellReader) -> CellReader:
    """A reader of what many rows repeat: one object for all cells that say the same."""
    return lru_cache(maxsize=1024)(read)


def optional(read: CellReader) -> CellReader:
    """A reader of empty cells too, as None."""
    return lambda cell: None if cell == "" else read(cell)
