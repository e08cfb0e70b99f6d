"""YAML into plain values, within limits: whatever a file holds ends in a value or in one line."""

from collections.abc import Hashable, Iterable
from typing import Any

import yaml

__all__ = ["MOST_VALUES", "parse", "parse_pair", "parse_pairs"]

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
