"""CSV files of records: how every table is read and written."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rdbound.tables.cells import Cell
from rdbound.tables.decoding import reading
from rdbound.utils.atomic_files import replacing

__all__ = ["read_header", "read_rows", "write_rows"]


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> None:
    """Write records as CSV; an existing file is replaced whole or not at all.

    Raises ValueError for a record with a column that is not one of ``columns``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def read_header(path: Path) -> list[str]:
    """The columns of a CSV; raises ValueError as :func:`rdbound.tables.decoding.reading`."""
    with reading(path) as reader:
        return next(reader, [])


def read_rows(
    path: Path, columns: Sequence[str], what: str, former: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The (line number, cells) of a CSV, one by one; the inverse of :func:`write_rows`.

    Args:
      path: of UTF-8 text, or of UTF-16 with a byte-order mark.
      columns: that it must have; it may have more.
      what: it must be, in messages.
      former: what columns are called today, by the names that they had in older tables.

    Raises ValueError where there is no file, where it lacks a column or has one
    twice, naming the line where a record has not one cell for each column, and as
    :func:`rdbound.tables.decoding.reading`.
    """
    path = Path(path)
    with reading(path) as reader:
        names = [(former or {}).get(name, name) for name in next(reader, [])]
        _check_names(path, names, columns, what)
        for cells in reader:
            if len(cells) == len(names):
                yield reader.line_num, dict(zip(names, cells, strict=True))
            elif cells:  # else a blank line
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells for {len(names)} columns"
                )


def _check_names(path: Path, names: Sequence[str], columns: Sequence[str], what: str) -> None:
    if any("\0" in name for name in names):
        raise ValueError(f"{path}: UTF-16 without its byte-order mark; save it as UTF-8")
    missing = [c for c in columns if c not in names]
    if missing:
        raise ValueError(f"{path}: not {what}, it lacks the column {missing[0]}")
    twice = [c for c in columns if names.count(c) > 1]
    if twice:
        raise ValueError(f"{path}: not {what}, it has the column {twice[0]} twice")
