"""Experiments as YAML: schema, overrides, sweeps and the mistakes in them.

    config = load_config("configs/train_bound.yaml", ["training.options.steps=100"])
    for cell in cells(config):
        train_run(cell)

What a YAML may say stands in :mod:`rdbound.config.schema`; a key that is not there is a
mistake, and all mistakes are told at once.
"""

from rdbound.config.load import ConfigError, load_config
from rdbound.config.schema import Config
from rdbound.config.sweep import cells, to_yaml

__all__ = ["Config", "ConfigError", "cells", "load_config", "to_yaml"]
