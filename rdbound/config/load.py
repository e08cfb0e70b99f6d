"""Configs out of YAML: overrides, environment variables, and the mistakes in them."""

import difflib
import os
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rdbound.config.parse import parse, parse_pair
from rdbound.config.schema import Config

__all__ = ["ConfigError", "assign", "load_config", "override", "read_yaml", "validated"]


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one line each."""


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file, apply ``a.b=value`` overrides and validate.

    ``${NAME}`` in a string is replaced by the environment variable.

    Args:
      path: of the file.
      overrides: ``a.b=value`` each, the value in YAML: ``seed=1``,
        ``evaluation.lmbdas=[0.0067, 0.025]``, ``training.options={steps: 100}``. A
        mapping replaces what was there whole; a later override goes before an earlier.

    Raises :class:`ConfigError` listing every mistake with its path, what was expected
    and the nearest valid key.
    """
    raw = read_yaml(Path(path))
    for text in overrides:
        override(raw, text)
    return validated(str(path), raw)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of a mapping; raises :class:`ConfigError` for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config; the shipped ones are in configs/") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    try:
        raw = parse(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, found {type(raw).__name__}")
    return raw


def validated(where: str, raw: dict) -> Config:
    """A raw mapping as a config; raises :class:`ConfigError`, a line a mistake."""
    missing: list[str] = []
    expanded = _expand(raw, missing, "")
    lines = list(missing)
    try:
        config = Config.model_validate(expanded)
    except ValidationError as error:
        lines += [_line(e) for e in error.errors()]
    if lines:
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines))
    return config


def override(raw: dict, text: str) -> None:
    """Set ``a.b=value`` in a raw mapping, making the mappings on the way.

    Raises :class:`ConfigError` for what is no override, or where a key on the way is a value.
    """
    try:
        key, value = parse_pair(text, "override", "training.options.steps=100")
    except ValueError as error:
        raise ConfigError(str(error)) from None
    try:
        assign(raw, key, value)
    except ConfigError as error:
        raise ConfigError(f"override {key}: {error}") from None


def assign(raw: dict, key: str, value: Any) -> None:
    """Set the dotted ``key`` of a raw mapping, making the mappings on the way.

    Raises :class:`ConfigError` where a key on the way is a value.
    """
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{parent} is a value and holds no keys")
        node = child
    node[last] = value


def _expand(value, missing: list[str], path: str):
    if isinstance(value, dict):
        return {k: _expand(v, missing, f"{path}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, missing, f"{path}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in re.findall(r"\$\{(\w+)\}", value):
        if name not in os.environ:
            missing.append(f"{path}: the environment variable {name} is not set")
        value = value.replace("${" + name + "}", os.environ.get(name, ""))
    return value


def _line(error) -> str:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        valid = sorted(_keys_at(error["loc"][:-1]))
        near = difflib.get_close_matches(str(error["loc"][-1]), valid, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}"
        return f"{path}: unknown key; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    found = "" if error["type"] == "missing" else f", found {_shown(error['input'])}"
    return f"{path}: {message}{found}"


def _shown(value: Any) -> str:
    """A value in a message: its beginning, where it is long."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**80 else "a huge number"
    return text if len(text) <= 120 else text[:120] + "…"


def _keys_at(location) -> set[str]:
    """The keys allowed where an unknown one was found, following the schema's types."""
    kinds: list = [Config]
    for part in location:
        if isinstance(part, int):  # an item of a list: its type is among the kinds
            continue
        inner: list = []
        for kind in kinds:
            hints = typing.get_type_hints(kind) if isinstance(kind, type) else {}
            if part in hints:
                inner += (hints[part], *typing.get_args(hints[part]))
        kinds = inner or [k for k in kinds if getattr(k, "__name__", "") == part]
    keys: set[str] = set()
    for kind in kinds:
        fields = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {})
        keys |= set(fields)
    return keys
