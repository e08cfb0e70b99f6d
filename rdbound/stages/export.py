"""The stage that takes the averaged weights out of a run that is not finished."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from flax import nnx

from rdbound import checkpoint
from rdbound.checkpoint_file import naming
from rdbound.config import Config
from rdbound.config.load import read_yaml, validated
from rdbound.models import make_model
from rdbound.registry import refuse_outside

__all__ = ["export_run"]


def export_run(folder: Path, target: Path, outside: Collection[str] = ()) -> int:
    """Write the averaged weights of a run's newest checkpoint as ``target``; returns its step.

    The run may be going on: nothing in its folder is touched.

    Args:
      folder: of the run.
      target: the file.
      outside: names ``package.module:Class`` of models from outside the package that the
        folder may import.

    Raises ValueError where ``folder`` is no training run, has no checkpoint yet or not one of
    its model, or its model is from outside and not named.
    """
    stored = folder / "config.yaml"
    if not stored.is_file():
        raise ValueError(f"{folder} is not the folder of a run: it has no config.yaml")
    config: Config = validated(str(stored), read_yaml(stored))
    newest = _newest(folder / "checkpoints")
    if config.model is None or config.training is None or newest is None:
        raise ValueError(f"{folder} holds no checkpoint of a training run yet")
    with naming(stored):
        refuse_outside("model", config.model.name, outside)
        graphdef, state = nnx.split(make_model(**config.model.keywords()))
    with naming(newest):
        nnx.replace_by_pure_dict(state, _averaged(newest))
    averaged = nnx.merge(graphdef, state)
    checkpoint.save_checkpoint(target, averaged, config.model.spec(), config.training.weights)
    return int(newest.name)


def _newest(saved: Path) -> Path | None:
    """The last complete checkpoint: one that is being written has another name."""
    complete = [p for p in saved.iterdir() if p.name.isdigit()] if saved.is_dir() else []
    return max(complete, key=lambda p: int(p.name), default=None)


def _averaged(newest: Path) -> Any:
    """The averaged weights of an Orbax checkpoint, whatever else it holds."""
    with ocp.StandardCheckpointer() as reader:
        ema = reader.restore(newest / "state")["ema"]
    return _with_whole_numbers(ema)


def _with_whole_numbers(tree: Any) -> Any:
    """Places in lists are numbers in a model and strings on disk."""
    if not isinstance(tree, dict):
        return tree
    return {
        (int(key) if isinstance(key, str) and key.isdigit() else key): _with_whole_numbers(value)
        for key, value in tree.items()
    }
