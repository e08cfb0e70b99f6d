"""Read configs out of YAML: overrides, environment variables, and the mistakes in them.

Whatever a file holds ends in a config or in one line for each mistake.
"""

import itertools
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rdbound.config.reference import config_keys
from rdbound.config.schema import Config
from rdbound.utils.registry import describe

__all__ = [
    "MOST_BYTES",
    "MOST_VALUES",
    "ConfigError",
    "assign",
    "load_config",
    "override",
    "parse",
    "parse_pairs",
    "read_yaml",
    "validated",
]

MOST_BYTES = 2**20
"""Size of a file that is read at all."""
MOST_VALUES = 100_000
"""Number of values in a config; those that YAML's aliases repeat count each time."""


class ConfigError(ValueError):
    """All mistakes in a configuration, one line each."""


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice and names the place of a value of no type."""

    def construct_object(self, node, deep=False):
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:  # of Python's constructors, such as int('')
            kind = node.tag.rpartition(":")[2]
            raise _error(f"{_begun(node.value)} is no {kind}", node) from None

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _error(f"{_begun(key)} cannot be a key", key_node)
            if key in seen:
                raise _error(f"the key {key!r} is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _begun(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"


def parse(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
      ValueError: in one line, for a text that is no YAML or nested too deep, and for values that
        do not fit their tags.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except RecursionError:
        raise ValueError("not valid YAML: nested too deep") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split()).replace(' in "<unicode string>"', "")
        raise ValueError(f"not valid YAML: {reason}") from None


def parse_pairs(texts: Iterable[str], what: str, example: str) -> dict[str, Any]:
    """Return the values of texts ``key=value``, each value in YAML, by key.

    Args:
      texts: the texts.
      what: the kind of pair for messages, such as ``override``.
      example: a pair that a message shows.

    Raises:
      ValueError: for a text that is no such pair, a value that is no YAML and a key given twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ValueError(f"{what} {text!r}: expected key=value, such as {example}")
        if key in found:
            raise ValueError(f"{what} {key}: given twice")
        try:
            found[key] = parse(value)
        except ValueError as error:
            raise ValueError(f"{what} {key}: {error}") from None
    return found


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file, apply ``a.b=value`` overrides and validate the whole.

    ``${NAME}`` in a string is replaced by the environment variable.

    Args:
      path: the file.
      overrides: texts ``a.b=value``, the value in YAML: ``seed=1``,
        ``evaluation.lmbdas=[0.0067, 0.025]``, ``training.options={steps: 100}``. A mapping
        replaces the whole former value; a later override wins.

    Raises:
      ConfigError: listing every mistake with its path, what was expected and the nearest valid
        key.
    """
    raw = read_yaml(Path(path))
    for text in overrides:
        override(raw, text)
    return validated(str(path), raw)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; raises ConfigError for anything else."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ConfigError(f"{path}: {size:,} bytes are no config; {MOST_BYTES:,} are allowed")
        raw = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config; the shipped ones are in configs/") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, found {type(raw).__name__}")
    return raw


def validated(where: str, raw: dict) -> Config:
    """Return a raw mapping as a config.

    Args:
      where: the origin of the mapping, which begins each line of a message.
      raw: the mapping.

    Raises:
      ConfigError: with a line for each mistake.
    """
    lines: list[str] = []
    try:
        expanded = _expand(raw, "", lines, itertools.count(1))
        config = Config.model_validate(expanded)
    except (RecursionError, OverflowError):
        raise ConfigError(
            f"{where}: its aliases hold themselves or make more than {MOST_VALUES:,} values of it"
        ) from None
    except ValidationError as error:
        paths = [key.path.replace("[]", "").split(".") for key in config_keys()]
        lines += [describe(one, _keys_beside(one["loc"], paths)) for one in error.errors()]
    if lines:
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines))
    return config


def override(raw: dict, text: str) -> None:
    """Set ``a.b=value`` in a raw mapping; mappings on the way are made.

    Raises:
      ConfigError: for a text of another form, or if a key on the way is a value.
    """
    try:
        ((key, value),) = parse_pairs([text], "override", "training.options.steps=100").items()
    except ValueError as error:
        raise ConfigError(str(error)) from None
    try:
        assign(raw, key, value)
    except ConfigError as error:
        raise ConfigError(f"override {key}: {error}") from None


def assign(raw: dict, key: str, value: Any) -> None:
    """Set the dotted ``key`` of a raw mapping; mappings on the way are made.

    Raises:
      ConfigError: if a key on the way is a value.
    """
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{parent} is a value and holds no keys")
        node = child
    node[last] = value


def _expand(value: Any, path: str, missing: list[str], count: Iterator[int]) -> Any:
    """Return a copy with environment variables in place; raises OverflowError for a huge value."""
    if next(count) > MOST_VALUES:
        raise OverflowError
    if isinstance(value, dict):
        return {k: _expand(v, f"{path}.{k}".lstrip("."), missing, count) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, f"{path}[{i}]", missing, count) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in re.findall(r"\$\{(\w+)\}", value):
        if name not in os.environ:
            missing.append(f"{path}: the environment variable {name} is not set")
        value = value.replace("${" + name + "}", os.environ.get(name, ""))
    return value


def _keys_beside(location: Sequence[int | str], paths: Iterable[Sequence[str]]) -> set[str]:
    """Return the valid keys in the section of a key, of the ``paths`` of all keys."""
    # Places in a list have numbers, choices among sections the names of classes.
    *section, key = [str(part) for part in location if str(part)[:1].islower()] or [""]
    return {last for *parents, last in paths if parents == section} - {key}
