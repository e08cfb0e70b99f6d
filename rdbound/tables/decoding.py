"""CSV files as they come from other programs: byte-order marks, and where one is broken."""

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

__all__ = ["reading"]

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """A :func:`csv.reader` of UTF-8, or of UTF-16 with its byte-order mark.

    Raises ValueError where there is no file, and naming the file, the line and the
    column (from 1) of bytes that are no text and of a field too long for :mod:`csv`.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such table")
    encoding = _encoding(path)
    with path.open(newline="", encoding=encoding) as file:
        try:
            yield csv.reader(file)
        except csv.Error as error:
            raise ValueError(f"{path}, {_too_long(path, encoding)}: {error}") from None
        except UnicodeDecodeError as error:
            place = _undecodable(path, encoding)
            raise ValueError(f"{path}, {place}: no {encoding} text ({error.reason})") from None


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(3)
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")


def _too_long(path: Path, encoding: str) -> str:
    """The place of the first field over the limit; often a quotation mark is not closed."""
    start = 0
    with path.open(newline="", encoding=encoding) as file, suppress(csv.Error):
        reader = csv.reader(file)
        for _ in reader:
            start = reader.line_num
    with path.open(newline="", encoding=encoding) as file:
        for _ in islice(file, start):
            pass
        return _place(start + 1, file.read(csv.field_size_limit()))


def _undecodable(path: Path, encoding: str) -> str:
    """The place of the first bytes that are no text."""
    data = path.read_bytes()
    try:
        before = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding)
    return _place(before.count("\n") + 1, before.rpartition("\n")[2])


def _place(line: int, before: str) -> str:
    """Of the end of ``before``, which starts with a record."""
    return f"line {line}, column {len(next(csv.reader([before]), [])) or 1}"
