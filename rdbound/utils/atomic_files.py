"""Write files completely or not at all, and read JSON with errors that name the file."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["read_json", "refuse_overwriting", "replacing", "write_json", "write_text"]


def refuse_overwriting(path: Path, force: bool | None, *inputs: Path) -> Path:
    """Return ``path`` if it may be written.

    Args:
      path: file to write.
      force: whether an existing file may be replaced; None for a command without this option.
      inputs: files that are read.

    Raises:
      ValueError: the file exists and may not be replaced, or it is one of the ``inputs`` under
        any name.
    """
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise ValueError(f"{path} would replace {source}, which is read; give another name")
    if path.exists() and not force:
        option = " or --force" if force is False else ""
        raise ValueError(f"{path} exists already; give another name{option}")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to, and move it to ``path`` at the end.

    After an exception nothing is left of it.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8, which is on the disk before it replaces an older file."""
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, as :func:`write_text` does."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, kind: type) -> Any:
    """Return the JSON value of a file.

    Args:
      path: file to read.
      kind: required type of the value, ``dict`` or ``list``.

    Raises:
      ValueError: the file holds anything else; the message names it.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        reason = f"not JSON ({error})"
    else:
        if isinstance(value, kind):
            return value
        reason = f"a {type(value).__name__} where a {kind.__name__} belongs"
    raise ValueError(f"{path} is damaged: {reason}; mend it or move it away")
