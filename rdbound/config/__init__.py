"""Experiments as YAML: schema, overrides, sweeps and the mistakes in them."""

from rdbound.config.load import ConfigError, load_config
from rdbound.config.schema import Config
from rdbound.config.sweep import cells, to_yaml

__all__ = ["Config", "ConfigError", "cells", "load_config", "to_yaml"]
