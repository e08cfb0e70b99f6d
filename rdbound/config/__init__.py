"""Experiments as YAML: schema, overrides, sweeps and the mistakes in them.

    config = load_config("configs/train_bound.yaml", ["training.options.steps=100"])
    for cell in cells(config):
        train_run(cell)

The keys of a config are defined in :mod:`rdbound.config.schema`. An unknown key is an
error, and one message lists all errors of a file.
"""

from rdbound.config.load import ConfigError, load_config
from rdbound.config.schema import Config
from rdbound.config.sweep import cells, to_yaml

__all__ = ["Config", "ConfigError", "cells", "load_config", "to_yaml"]
