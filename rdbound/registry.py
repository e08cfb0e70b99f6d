"""Things by name: how channels and sources are looked up and built."""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["build", "find"]


def find(kind: str, known: Mapping[str, Any], name: str) -> Any:
    """``known[name]``; raises ValueError listing the names where there is none."""
    if name not in known:
        raise ValueError(f"unknown {kind} {name!r}: choose one of {', '.join(known)}")
    return known[name]


def build(kind: str, known: Mapping[str, Callable], name: str, options: dict) -> Any:
    """``known[name](**options)``; ValueError for an unknown name or an option it does not take."""
    make = find(kind, known, name)
    try:
        return make(**options)
    except TypeError as error:
        raise ValueError(f"{kind} {name!r}: {error}") from None
