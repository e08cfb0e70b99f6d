"""The stage that takes the averaged weights out of a run that is not finished."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from flax import nnx

from rdbound.checkpoints import checkpoint
from rdbound.checkpoints.file_format import naming
from rdbound.config import Config
from rdbound.config.load import read_yaml, validated
from rdbound.models import make_model
from rdbound.optimization.training_state import CHECKPOINTS, newest_readable, saved_state
from rdbound.runs.progress import warn
from rdbound.runs.run_folder import CONFIG
from rdbound.utils.registry import refuse_outside

__all__ = ["export_run"]


def export_run(folder: Path, target: Path, outside: Collection[str] = ()) -> int:
    """Write the averaged weights of a run's newest checkpoint as ``target``; returns its step.

    The run may be going on: nothing in its folder is touched. Where the newest is damaged
    the one beside it is taken, with a warning.

    Args:
      folder: of the run.
      target: the file.
      outside: names ``package.module:Class`` of models from outside the package that the
        folder may import.

    Raises ValueError where ``folder`` is no training run, has no checkpoint yet that can be
    read or not one of its model, or its model is from outside and not named.
    """
    stored = folder / CONFIG
    if not stored.is_file():
        raise ValueError(f"{folder} is not the folder of a run: it has no {CONFIG}")
    config: Config = validated(str(stored), read_yaml(stored))
    newest = newest_readable(folder / CHECKPOINTS, _averaged, warn)
    if config.model is None or config.training is None or newest is None:
        raise ValueError(f"{folder} holds no checkpoint of a training run yet")
    with naming(stored):
        refuse_outside("model", config.model.name, outside)
        graphdef, state = nnx.split(make_model(**config.model.keywords()))
    with naming(newest[0]):
        nnx.replace_by_pure_dict(state, newest[1])
    averaged = nnx.merge(graphdef, state)
    checkpoint.save_checkpoint(target, averaged, config.model.spec(), config.training.weights)
    return int(newest[0].name)


def _averaged(saved: Path) -> Any:
    """The averaged weights of an Orbax checkpoint, whatever else it holds."""
    return _with_whole_numbers(saved_state(saved)["ema"])


def _with_whole_numbers(tree: Any) -> Any:
    """Places in lists are numbers in a model and strings on disk."""
    if not isinstance(tree, dict):
        return tree
    return {
        (int(key) if isinstance(key, str) and key.isdigit() else key): _with_whole_numbers(value)
        for key, value in tree.items()
    }
