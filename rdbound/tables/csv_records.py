"""Read and write tables: CSV files of records, one row of a dataclass a line.

The annotations of a row are its schema: pydantic reads the cells by them. The types here are those
that many tables need; an empty cell stands for None.
"""

import csv
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
)

from rdbound.utils.atomic_files import replacing

__all__ = [
    "Cell",
    "Count",
    "Maybe",
    "NonNegative",
    "Positive",
    "Text",
    "cell_error",
    "read_header",
    "read_records",
    "write_records",
    "write_rows",
]

T = TypeVar("T")
Cell = str | int | float | None
"""The value of a cell; None is an empty one."""
_SHOWN = 40  # characters of a cell that a message repeats


def _none_if_empty(cell: Any) -> Any:
    return None if cell == "" else cell


# Interned: a table of a million rows repeats few names.
Text = Annotated[str, Field(min_length=1), AfterValidator(sys.intern)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
NonNegative = Annotated[FiniteFloat, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Maybe = Annotated[T | None, BeforeValidator(_none_if_empty)]


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> None:
    """Write mappings as CSV; an existing file is replaced whole or not at all.

    Raises:
      ValueError: for a row with a column that is not one of ``columns``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in row.items()} for row in rows)


def write_records(
    path: Path, kind: type, records: Iterable[Any], derived: Sequence[str] = ()
) -> None:
    """Write dataclasses as CSV: a column for each field of ``kind``, then those of properties.

    Args:
      path: the file; an existing one is replaced whole or not at all.
      kind: the dataclass of the records.
      records: a row each.
      derived: names of properties that have a column too.
    """
    columns = (*_names(kind), *derived)
    rows = ({name: getattr(record, name) for name in columns} for record in records)
    write_rows(path, columns, rows)


def _written(value: Cell) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def read_header(path: Path) -> list[str]:
    """Return the columns of a CSV; raises ValueError if it is no UTF-8 text or does not exist."""
    return next((cells for _, cells in _read_lines(Path(path))), [])


def read_records(
    path: Path, kind: type[T], what: str, former: Mapping[str, str] | None = None
) -> Iterator[tuple[int, T]]:
    """Yield the (line number, record) of each row, the inverse of :func:`write_records`.

    Args:
      path: a CSV file of UTF-8 text, with or without a byte-order mark.
      kind: a dataclass, whose fields are the columns that the table must have, but for those with a
        default value; other columns are ignored.
      what: the name of such a table in messages.
      former: new names of columns by their names in older tables.

    Raises:
      ValueError: in one line with the file and, where there are any, the line and the column, for a
        file that does not exist or is no such table and for a cell that ``kind`` does not take.
    """
    lines = _read_lines(Path(path))
    header = [(former or {}).get(name, name) for name in next(lines, (1, []))[1]]
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    needed = [name for name, f in known.items() if f.default is dataclasses.MISSING]
    for name in known:
        if name in needed and name not in header:
            raise ValueError(f"{path}: not {what}, it lacks the column {name}")
        if header.count(name) > 1:
            raise ValueError(f"{path}: not {what}, it has the column {name} twice")
    places = [(name, header.index(name)) for name in known if name in header]
    validate = _adapter(kind).validate_python  # type: ignore[arg-type]
    for line, cells in lines:
        if len(cells) != len(header):
            raise ValueError(f"{path}, line {line}: {len(cells)} cells for {len(header)} columns")
        try:
            record = validate({name: cells[place] for name, place in places})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            message = first["msg"].removeprefix("Value error, ")
            raise cell_error(path, line, name, cells[header.index(name)], message) from None
        yield line, record


@cache
def _adapter(kind: type) -> TypeAdapter:
    return TypeAdapter(kind)


def cell_error(path: str | Path, line: int, name: str, cell: Cell, wrong: str) -> ValueError:
    """Return the error, in one line, of a ``cell`` in the column ``name``."""
    shown = cell if not isinstance(cell, str) or len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…"
    return ValueError(f"{path}, line {line}: {name} = {shown!r}: {wrong}")


def _read_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the (line number, cells) of every line that is not blank, the header first."""
    if not path.is_file():
        raise ValueError(f"{path}: no such table")
    line = 0
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            for cells in reader:
                line = reader.line_num
                if cells:
                    yield line, cells
        except csv.Error as error:  # often a quotation mark that is not closed
            raise ValueError(f"{path}, line {line + 1}: {error}") from None
        except UnicodeDecodeError:
            texts = enumerate(path.read_bytes().splitlines(), 1)
            at = next(n for n, text in texts if text.decode(errors="ignore").encode() != text)
            raise ValueError(f"{path}, line {at}: no UTF-8 text") from None
