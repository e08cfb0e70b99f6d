"""Sweeps: a config with lists to a grid of configs.

    sweep:
      model.name: [res-hyper-1, res-hyper-4]
      seed: [0, 1]

is four cells, in folders such as OUTPUT/name=res-hyper-1,seed=0;

    sweep:
      name: "{lmbda}"
      zip: {model.lmbda: [0.0018, 0.0483], training.options.steps: [2000, 1000]}

is two, in OUTPUT/0.0018 and OUTPUT/0.0483.

What the folders of a sweep's cells are called.
"""

import copy
import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rdbound.config.load import ConfigError, assign, validated
from rdbound.config.schema import Config, SweepConfig

__all__ = ["MOST_CELLS", "Values", "cell_names", "cells", "combinations", "is_sweep", "to_yaml"]

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


MOST_CELLS = 4096


def to_yaml(config: Config) -> str:
    """The resolved configuration, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def is_sweep(config: Config) -> bool:
    """Whether a config has cells; raises :class:`ConfigError` as :func:`combinations`."""
    return config.sweep is not None and bool(combinations(config.sweep))


def cells(config: Config) -> list[Config]:
    """The cells of a sweep, in order; the config itself where it has none.

    Each cell has a folder of its own below ``output``. Raises :class:`ConfigError`
    as :func:`combinations` and :func:`rdbound.config.sweep.cell_names`, and for a cell
    that is no config.
    """
    grid = combinations(config.sweep) if config.sweep is not None else []
    if not grid:
        return [config]
    assert config.sweep is not None
    base = config.model_dump(mode="json") | {"sweep": None}
    return [
        _cell(base, name, values)
        for name, values in zip(cell_names(config.sweep.name, grid), grid, strict=True)
    ]


def _cell(base: dict, name: str, values: Values) -> Config:
    raw = copy.deepcopy(base)
    for key, value in values.items():
        try:
            assign(raw, key, copy.deepcopy(value))
        except ConfigError as error:
            raise ConfigError(f"sweep: {key}: {error}") from None
    raw["output"] = str(Path(base["output"]) / name)
    return validated(f"sweep, {name}", raw)


def combinations(sweep: SweepConfig) -> list[dict[str, Any]]:
    """The values of the swept keys, a mapping a cell: those zipped outermost, the last key fastest.

    Raises :class:`ConfigError` for an empty list, lists to zip of different lengths, a key
    that cannot be swept or has two lists, and for more than :data:`MOST_CELLS` cells,
    before they are made.
    """
    _check(sweep)
    axes = [[{key: value} for value in values] for key, values in sweep.crossed.items()]
    if sweep.zip:
        together = zip(*sweep.zip.values(), strict=True)
        axes.insert(0, [dict(zip(sweep.zip, values, strict=True)) for values in together])
    count = math.prod(map(len, axes))
    if count > MOST_CELLS:
        raise ConfigError(f"sweep: {count} cells; at most {MOST_CELLS} are allowed")
    grid = (
        itertools.chain(*(part.items() for part in parts)) for parts in itertools.product(*axes)
    )
    return [dict(items) for items in grid] if axes else []


def _check(sweep: SweepConfig) -> None:
    for key, values in (sweep.crossed | sweep.zip).items():
        if not values:
            raise ConfigError(f"sweep: the list of {key} is empty")
        if key.partition(".")[0] in ("output", "sweep"):
            raise ConfigError(f"sweep: {key} cannot be swept: each cell has a folder of its own")
    both = sorted(sweep.crossed.keys() & sweep.zip.keys())
    if both:
        raise ConfigError(f"sweep: {both[0]} has two lists, one of them in zip")
    lengths = {key: len(values) for key, values in sweep.zip.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise ConfigError(f"sweep.zip: lists of one length are expected, found {told}")
