"""Configs out of YAML: overrides, environment variables, and the mistakes in them.

YAML into plain values, within limits: whatever a file holds ends in a value or in one line.
"""

import difflib
import os
import re
import typing
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rdbound.config.schema import Config

__all__ = [
    "ConfigError",
    "MOST_VALUES",
    "assign",
    "load_config",
    "override",
    "parse",
    "parse_pair",
    "parse_pairs",
    "read_yaml",
    "validated",
]

MOST_VALUES = 100_000


"""Values in a file, those that aliases repeat counted each time."""


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice and says where a value is none."""

    def construct_object(self, node, deep=False):
        """As the parent's; what its constructors raise of Python's becomes an error of YAML."""
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:
            kind = node.tag.rpartition(":")[2]
            raise _error(f"{_begun(node.value)} is no {kind}", node) from None

    def construct_mapping(self, node, deep=False):
        """As the parent's, after looking for keys that are lists or repeated."""
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
    """The beginning of a value."""
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"


def parse(text: str) -> Any:
    """The value of a YAML text.

    Raises ValueError, in one line, for what is no YAML, values that do not fit their
    tags, and a text that is nested too deep, refers to itself or grows by its aliases to
    more than :data:`MOST_VALUES` values.
    """
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
        size = _size(value, {})
    except RecursionError:
        raise ValueError("not valid YAML: nested too deep") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split()).replace(' in "<unicode string>"', "")
        raise ValueError(f"not valid YAML: {reason}") from None
    if size > MOST_VALUES:
        raise ValueError(f"its aliases make {size:.2g} values of it; {MOST_VALUES:,} are allowed")
    return value


def parse_pair(text: str, what: str, example: str) -> tuple[str, Any]:
    """``key=value``, the value in YAML.

    Args:
      text: of the pair.
      what: it is, for messages.
      example: of what is expected.

    Raises ValueError, naming the key, for what is none, and as :func:`parse`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"{what} {text!r}: expected key=value, such as {example}")
    try:
        return key, parse(value)
    except ValueError as error:
        raise ValueError(f"{what} {key}: {error}") from None


def parse_pairs(texts: Iterable[str], what: str, example: str) -> dict[str, Any]:
    """Several of :func:`parse_pair`; raises ValueError for a key that is given twice, too."""
    found: dict[str, Any] = {}
    for text in texts:
        key, value = parse_pair(text, what, example)
        if key in found:
            raise ValueError(f"{what} {key}: given twice")
        found[key] = value
    return found


def _size(value: Any, known: dict[int, int]) -> int:
    """How many values there are in ``value``: each object is looked at once."""
    if not isinstance(value, dict | list | set | tuple):
        return 1
    if id(value) not in known:
        known[id(value)] = -1
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    if known[id(value)] < 0:
        raise yaml.YAMLError("a value holds itself")
    return known[id(value)]


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
