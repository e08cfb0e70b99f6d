"""What makes a run the run that it is: whatever changes its numbers, and nothing else.

A folder holds one run. Started again with the same identity it is continued; with
another it is refused, so that no table mixes rows of two experiments.
"""

from pathlib import Path
from typing import Any

from rdbound.config import Config, ConfigError
from rdbound.config.load import read_yaml, validated

__all__ = ["LAUNCH", "identity", "same_run"]

LAUNCH = (
    "output",
    "sweep",
    "model.start_from",
    "training.data.path",
    "training.data.held_out",
    "training.data.cache_gib",
    "training.options.checkpoint_every",
    "training.options.log_every",
    "evaluation.checkpoints",
    "evaluation.data.path",
    "evaluation.data.cache_gib",
    "evaluation.batch",
    "evaluation.processes",
    "evaluation.anchor",
    "evaluation.keep_streams",
    "evaluation.outside",
)
"""Keys that say where or how a run is done. What is read from paths is known by
its contents: the digests beside the configuration."""


def identity(config: Config) -> dict[str, Any]:
    """The configuration, as JSON values, without the keys of :data:`LAUNCH`."""
    raw = config.model_dump(mode="json")
    for key in LAUNCH:
        *parents, last = key.split(".")
        node: Any = raw
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    return raw


def same_run(stored: Path, config: Config) -> bool:
    """Whether a stored configuration means the same run.

    It is read by today's schema, so that a default that is new to it does not
    make a run of yesterday another one. A key that the schema no longer knows does.
    Raises ConfigError where it is no configuration at all.
    """
    raw = read_yaml(stored)
    try:
        before = validated(str(stored), raw)
    except ConfigError:
        return False
    return identity(before) == identity(config)
