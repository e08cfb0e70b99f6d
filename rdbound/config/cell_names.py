"""What the folders of a sweep's cells are called."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rdbound.config.load import ConfigError

__all__ = ["Values", "cell_names"]

Values = Mapping[str, Any]
"""Of the swept keys."""

_LONGEST = 200
"""Bytes of a name, of the 255 that file systems allow."""


def cell_names(template: str | None, grid: Sequence[Values]) -> list[str]:
    """The name of each cell's folder, no two alike on any file system.

    Args:
      template: such as ``"{lmbda}-seed{seed}"``, a key in full or its last part; by default
        all keys with their values, and a digest of these where cells would be called alike.
      grid: the values of the swept keys, a mapping a cell.

    Raises :class:`ConfigError` for two cells alike, a key in the template that is not
    swept, and where the template names two cells alike or gives no name of a folder.
    """
    _refuse_twins(grid)
    if template is not None:
        return _given(template, grid)
    names = [_safe(_joined(values)) for values in grid]
    count = Counter(name.casefold() for name in names)
    return [
        name
        if count[name.casefold()] == 1 and len(name.encode()) <= _LONGEST
        else f"{name[: _LONGEST // 4]}-{_digest(values)[:8]}"
        for name, values in zip(names, grid, strict=True)
    ]


def _refuse_twins(grid: Sequence[Values]) -> None:
    by_digest: dict[str, Values] = {}
    for values in grid:
        if by_digest.setdefault(_digest(values), values) is not values:
            raise ConfigError(f"sweep: two cells are alike: {_joined(values)}")


def _given(template: str, grid: Sequence[Values]) -> list[str]:
    """The template filled with the values of each cell."""
    names = [_safe(_filled(template, values)) for values in grid]
    for name in names:
        if name in ("", ".", "..") or len(name.encode()) > _LONGEST:
            raise ConfigError(f"sweep.name: {name!r} cannot be the name of a folder")
    name, count = Counter(name.casefold() for name in names).most_common(1)[0]
    if count > 1:
        keys = " ".join(f"{{{key}}}" for key in grid[0])
        raise ConfigError(
            f"sweep.name: {count} cells would be called {name!r}; name more of {keys}"
        )
    return names


def _filled(template: str, values: Values) -> str:
    short = Counter(map(_last, values))
    named = {_last(key): value for key, value in values.items() if short[_last(key)] == 1}
    named.update(values)

    def text(match: re.Match[str]) -> str:
        if match[1] not in named:
            raise ConfigError(f"sweep.name: {match[0]} is not swept; choose of {', '.join(values)}")
        return _text(named[match[1]])

    return re.sub(r"\{([^{}]*)\}", text, template)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _joined(values: Values) -> str:
    return ",".join(f"{_last(key)}={_text(value)}" for key, value in values.items())


def _text(value: Any) -> str:
    """A value to be read in a name: of a thing by name its name."""
    if isinstance(value, dict):
        return _text(value["name"]) if "name" in value else _joined(value)
    return "-".join(map(_text, value)) if isinstance(value, list) else str(value)


def _safe(name: str) -> str:
    return re.sub(r"[^\w=.,+-]", "_", name)


def _digest(values: Values) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
