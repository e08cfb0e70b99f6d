"""Sweeps: a config with lists to a grid of configs.

    sweep:
      model.name: [res-hyper-1, res-hyper-4]
      seed: [0, 1]

is four cells, in folders such as OUTPUT/name=res-hyper-1,seed=0.
"""

import itertools
import re
from pathlib import Path

import yaml

from rdbound.config.load import override, validated
from rdbound.config.schema import Config

__all__ = ["cells", "to_yaml"]


def to_yaml(config: Config) -> str:
    """The resolved configuration, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def cells(config: Config) -> list[Config]:
    """The cells of a sweep, in order; the config itself where it has none.

    ``sweep`` maps dotted keys to lists; the grid is their product. Each cell
    has a folder of its own below ``output``. Raises :class:`ConfigError`.
    """
    if not config.sweep:
        return [config]
    base = config.model_dump(mode="json") | {"sweep": None}
    out = []
    for values in itertools.product(*config.sweep.values()):
        raw = yaml.safe_load(yaml.safe_dump(base))
        names = []
        for key, value in zip(config.sweep, values, strict=True):
            override(raw, f"{key}={yaml.safe_dump(value, default_flow_style=True)}")
            names.append(f"{key.rpartition('.')[2]}={value}")
        raw["output"] = str(Path(config.output) / re.sub(r"[^\w=.,+-]", "_", ",".join(names)))
        out.append(validated("sweep", raw))
    return out
