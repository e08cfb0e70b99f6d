"""Sweeps: a config with lists to a grid of configs.

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
import itertools
import math
from pathlib import Path
from typing import Any

import yaml

from rdbound.config.cell_names import Values, cell_names
from rdbound.config.load import ConfigError, assign, validated
from rdbound.config.schema import Config, SweepConfig

__all__ = ["MOST_CELLS", "cells", "combinations", "is_sweep", "to_yaml"]

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
    as :func:`combinations` and :func:`rdbound.config.cell_names.cell_names`, and for a cell
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
