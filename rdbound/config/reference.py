"""List every key of a config with its type, its default and its meaning, out of the JSON Schema.

The strings below the keys in :mod:`rdbound.config.schema` are the only place of their meanings.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from rdbound.config.schema import Config

__all__ = ["ConfigKey", "config_keys", "json_schema"]

_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "object": "a mapping",
}


class ConfigKey(NamedTuple):
    """One key.

    Attributes:
      path: the dotted key, from the top of the file.
      kind: the type of its value.
      default: the default value in YAML; None where the key is needed.
      meaning: its meaning in words.
    """

    path: str
    kind: str
    default: str | None
    meaning: str


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config, with a description of each property."""
    return Config.model_json_schema()


def config_keys() -> list[ConfigKey]:
    """Return the keys of a config, each section before its own keys."""
    schema = json_schema()
    return list(_keys_of(schema, schema["$defs"], "", ""))


def _keys_of(section: dict, defs: dict, stem: str, where: str) -> Iterator[ConfigKey]:
    """Yield the keys of a section; ``where`` begins their meanings if it is one of several."""
    for name, part in section.get("properties", {}).items():
        choices = part.get("anyOf", [part])
        lists = any("items" in choice for choice in choices)
        inner = [choice.get("items", choice) for choice in choices]
        inner = [one for choice in inner for one in choice.get("anyOf", [choice])]
        names = [one["$ref"].rpartition("/")[2] for one in inner if "$ref" in one]
        default = None
        if name not in section.get("required", []):
            default = _yaml(part["default"], defs[names[0]]["properties"] if names else {})
        meaning = " ".join(part.get("description", "").split())
        yield ConfigKey(f"{stem}{name}", _kind(part), default, where + meaning)
        for kind in names:
            which = f"{kind.removesuffix('Config').lower()}: " if len(names) > 1 else ""
            yield from _keys_of(defs[kind], defs, f"{stem}{name}{'[]' * lists}.", which)


def _kind(part: dict) -> str:
    """Return a type in the words of YAML."""
    if "anyOf" in part:
        known = [_kind(choice) for choice in part["anyOf"] if choice.get("type") != "null"]
        return " or ".join(dict.fromkeys(known))
    if "const" in part or "enum" in part:
        return " or ".join(map(str, part.get("enum", [part.get("const")])))
    if "prefixItems" in part:
        return "a pair of numbers"
    if part.get("type") == "array":
        return f"a list of {_kind(part['items'])}"
    return "a mapping" if "$ref" in part else _KINDS.get(part.get("type", ""), "anything")


def _yaml(value: Any, fields: dict) -> str:
    """Return a value as YAML, of a section what differs from the defaults of its ``fields``."""
    if isinstance(value, dict):
        own = {k: v for k, v in value.items() if v != fields.get(k, {}).get("default", v is None)}
        return "{" + ", ".join(f"{key}: {inner}" for key, inner in own.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)
