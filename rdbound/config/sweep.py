"""Make a grid of configs of a config with lists.

    sweep:
      model.name: [res-hyper-1, res-hyper-4]
      seed: [0, 1]

is four cells, in folders such as OUTPUT/name=res-hyper-1,seed=0;

    sweep:
      name: "{lmbda}"
      zip: {model.lmbda: [0.0018, 0.0483], training.options.steps: [2000, 1000]}

is two, in OUTPUT/0.0018 and OUTPUT/0.0483.
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
"""Values of the swept keys in a cell."""
MOST_CELLS = 4096
_LONGEST = 200  # bytes of a name, of the 255 that file systems allow


def to_yaml(config: Config) -> str:
    """Return the resolved configuration, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def is_sweep(config: Config) -> bool:
    """Return whether a config has cells; raises ConfigError as :func:`combinations`."""
    return config.sweep is not None and bool(combinations(config.sweep))


def cells(config: Config) -> list[Config]:
    """Return the cells of a sweep in order, or the config itself if it has none.

    Each cell has a folder of its own below ``output``.

    Raises:
      ConfigError: as :func:`combinations` and :func:`cell_names`, and for a cell that is no config.
    """
    if config.sweep is None or not (grid := combinations(config.sweep)):
        return [config]
    base = config.model_dump(mode="json") | {"sweep": None}
    names = cell_names(config.sweep.name, grid)
    return [_cell(base, name, values) for name, values in zip(names, grid, strict=True)]


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
    """Return the values of the swept keys in each cell, the zipped ones outermost.

    Raises:
      ConfigError: for an empty list, lists to zip of different lengths, a key that cannot be
        swept or has two lists, and for more than :data:`MOST_CELLS` cells, before they are made.
    """
    _check(sweep)
    axes = [[{key: value} for value in values] for key, values in sweep.crossed.items()]
    if sweep.zip:
        together = zip(*sweep.zip.values(), strict=True)
        axes.insert(0, [dict(zip(sweep.zip, values, strict=True)) for values in together])
    count = math.prod(map(len, axes))
    if count > MOST_CELLS:
        raise ConfigError(f"sweep: {count} cells; at most {MOST_CELLS} are allowed")
    grid = itertools.product(*axes) if axes else ()
    return [{key: value for part in parts for key, value in part.items()} for parts in grid]


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
        found = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise ConfigError(f"sweep.zip: lists of one length are expected, found {found}")


def cell_names(template: str | None, grid: Sequence[Values]) -> list[str]:
    """Return the name of each cell's folder; all differ on any file system.

    Args:
      template: a text such as ``"{lmbda}-seed{seed}"``, with keys in full or by their last part;
        None for all keys with their values, and a digest of these where two names would be equal.
      grid: the values of the swept keys in each cell.

    Raises:
      ConfigError: for two equal cells, for a key in the template that is not swept, and for a
        template that gives two cells one name or a name that no folder can have.
    """
    digests = [_digest(values) for values in grid]
    alike = Counter(digests)
    for values, digest in zip(grid, digests, strict=True):
        if alike[digest] > 1:
            raise ConfigError(f"sweep: two cells are alike: {_joined(values)}")
    texts = [_joined(v) if template is None else _filled(template, v) for v in grid]
    names = [re.sub(r"[^\w=.,+-]", "_", text) for text in texts]
    count = Counter(name.casefold() for name in names)
    bad = [count[name.casefold()] > 1 or len(name.encode()) > _LONGEST for name in names]
    if template is None:
        short = [f"{n[: _LONGEST // 4]}-{d[:8]}" for n, d in zip(names, digests, strict=True)]
        return [s if b else name for name, s, b in zip(names, short, bad, strict=True)]
    for name in names:
        if name in ("", ".", "..") or len(name.encode()) > _LONGEST:
            raise ConfigError(f"sweep.name: {name!r} cannot be the name of a folder")
        if count[name.casefold()] > 1:
            keys = " ".join(f"{{{key}}}" for key in grid[0])
            raise ConfigError(
                f"sweep.name: {count[name.casefold()]} cells would be called {name!r}; "
                f"name more of {keys}"
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
    """Return a value as text in a name, a thing by name as its name."""
    if isinstance(value, dict):
        return _text(value["name"]) if "name" in value else _joined(value)
    return "-".join(map(_text, value)) if isinstance(value, list) else str(value)


def _digest(values: Values) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
