"""CSV files of records: how every table is read and written."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from rdbound.writing import replacing

__all__ = ["Cell", "read_rows", "write_rows"]

Cell = str | int | float | None
"""What a cell holds; None is an empty one."""


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Cell]]) -> None:
    """Write records as CSV; an existing file is replaced whole or not at all.

    Raises ValueError for a record with a column that is not one of ``columns``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def read_rows(path: Path, columns: Sequence[str], what: str) -> list[tuple[int, dict[str, str]]]:
    """The (line number, cells) of a CSV; the inverse of :func:`write_rows`.

    Raises ValueError where there is no file, or it lacks one of ``columns`` of ``what``.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such table")
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: not {what}, it lacks the column {missing[0]}")
        return [(reader.line_num, record) for record in reader]
