"""Every key of a config with its type, its default and what it means, out of the schema.

The schema's classes say in their docstrings what their fields mean, once, for readers of the
code, for ``rdbound config-reference`` and for editors that know JSON Schema.
"""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rdbound.config.schema import Config

__all__ = ["ConfigKey", "config_keys", "json_schema", "meanings"]

_ENTRY = re.compile(r"^  (\w+(?:, \w+)*): (.*)$")
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


class ConfigKey(NamedTuple):
    """One key.

    Attributes:
      path: dotted, from the top of the file.
      kind: of its value.
      default: as YAML would have it; None where the key is needed.
      meaning: in words.
    """

    path: str
    kind: str
    default: str | None
    meaning: str


def config_keys() -> list[ConfigKey]:
    """All keys, sections before what is in them."""
    return list(_keys_of(Config, ""))


def meanings(kind: type) -> dict[str, str]:
    """What the fields of a class mean, by name: its docstring's ``Attributes``, and its bases'."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        doc = inspect.cleandoc(base.__doc__ or "")
        if "Attributes:\n" not in doc:
            continue
        names: list[str] = []
        for line in doc.split("Attributes:\n", 1)[1].splitlines():
            if entry := _ENTRY.match(line):
                names = entry.group(1).split(", ")
                found |= dict.fromkeys(names, entry.group(2))
            elif line.startswith("    ") and names:
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
            else:
                break
    return {name: _ROLE.sub(r"``\1``", text) for name, text in found.items()}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config, each property with its description."""
    schema = Config.model_json_schema()
    known = {kind.__name__: kind for kind in _kinds(Config, set())}
    for name, part in [("Config", schema), *schema["$defs"].items()]:
        told = meanings(known[name]) if name in known else {}
        for key, value in part.get("properties", {}).items():
            if key in told:
                value["description"] = told[key]
    return schema


def _keys_of(kind: type, stem: str, where: str = "") -> Iterator[ConfigKey]:
    """Of a section; ``where`` begins the meanings of one that is not the only one it may be."""
    told = meanings(kind)
    for name, hint, default in _fields(kind):
        path = f"{stem}{name}"
        yield ConfigKey(path, _told(hint), default, where + told.get(name, ""))
        sections = _classes(hint)
        for inner in sections:
            of = f"{inner.__name__.removesuffix('Config').lower()}: " if len(sections) > 1 else ""
            yield from _keys_of(inner, f"{path}[]." if _is_list(hint) else f"{path}.", of)


def _fields(kind: type) -> Iterator[tuple[str, Any, str | None]]:
    """(name, annotation, default) of each field."""
    hints = typing.get_type_hints(kind, include_extras=False)
    if issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            none = field.default is PydanticUndefined
            yield name, hints[name], None if none else _yaml(field.default)
    else:
        for field_ in fields(kind):  # type: ignore[arg-type]
            none = field_.default is MISSING
            yield field_.name, hints[field_.name], None if none else _yaml(field_.default)


def _yaml(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        shown = {k: v for k, v in value.model_dump().items() if v not in ({}, None)}
        return "{" + ", ".join(f"{k}: {v}" for k, v in shown.items()) + "}"
    if is_dataclass(value):
        return "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def _told(hint: Any) -> str:
    """A type in the words of YAML."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(map(str, inside))
    if origin in (typing.Union, types.UnionType):
        known = [_told(part) for part in inside if part is not type(None)]
        return " or ".join(dict.fromkeys(known))
    if origin in (list, tuple):
        pair = origin is tuple and Ellipsis not in inside
        return "a pair of numbers" if pair else f"a list of {_told(inside[0])}"
    if origin is dict or hint is dict or _is_section(hint):
        return "a mapping"
    return {int: "a whole number", float: "a number", str: "text", bool: "true or false"}.get(
        hint, "anything"
    )


def _is_section(hint: Any) -> bool:
    return inspect.isclass(hint) and (issubclass(hint, BaseModel) or is_dataclass(hint))


def _is_list(hint: Any) -> bool:
    parts = (hint, *typing.get_args(hint))
    return any(typing.get_origin(part) in (list, tuple) for part in parts)


def _classes(hint: Any) -> list[type]:
    """The sections that a value may be."""
    if _is_section(hint):
        return [hint]
    return [kind for part in typing.get_args(hint) for kind in _classes(part)]


def _kinds(kind: type, seen: set[type]) -> set[type]:
    """A section and all within it."""
    if kind not in seen:
        seen.add(kind)
        for _, hint, _ in _fields(kind):
            for inner in _classes(hint):
                _kinds(inner, seen)
    return seen
