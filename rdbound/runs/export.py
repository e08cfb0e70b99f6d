"""Export the averaged weights of a training run that need not be finished."""

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
from rdbound.runs.run_folder import CONFIG
from rdbound.utils.registry import refuse_outside

__all__ = ["export_run"]


def export_run(folder: Path, target: Path, outside: Collection[str] = ()) -> int:
    """Write the averaged weights of a run's newest readable checkpoint; return its step.

    The run may still be training: nothing in its folder changes.

    Args:
      folder: folder of the run.
      target: file to write.
      outside: names ``package.module:Class`` of models from outside the package that the
        folder may import.

    Raises:
      ValueError: ``folder`` is no training run, has no readable checkpoint of its model, or its
        model is from outside the package and not in ``outside``.
    """
    stored = folder / CONFIG
    if not stored.is_file():
        raise ValueError(f"{folder} is not the folder of a run: it has no {CONFIG}")
    config: Config = validated(str(stored), read_yaml(stored))
    newest = newest_readable(folder / CHECKPOINTS, _averaged)
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
    """Return the averaged weights of an Orbax checkpoint."""
    return _with_whole_numbers(saved_state(saved)["ema"])


def _with_whole_numbers(tree: Any) -> Any:
    """Return a tree with its indexes of lists as integers: on disk they are strings."""
    if not isinstance(tree, dict):
        return tree
    return {
        (int(key) if isinstance(key, str) and key.isdigit() else key): _with_whole_numbers(value)
        for key, value in tree.items()
    }
