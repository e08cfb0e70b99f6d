"""Things by name: the one way in which channels, models, sources and methods are built."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["build", "find", "import_outside"]


def find(kind: str, known: Mapping[str, Any], name: str) -> Any:
    """``known[name]``; raises ValueError listing the names where there is none."""
    if name not in known:
        raise ValueError(f"unknown {kind} {name!r}: choose one of {', '.join(known)}")
    return known[name]


def build(kind: str, known: Mapping[str, Callable], name: str, options: Mapping[str, Any]) -> Any:
    """``known[name](**options)``.

    Args:
      kind: what is built, for messages.
      known: constructors by name.
      name: in ``known``, or ``package.module:Class`` for one from outside.
      options: keywords.

    Raises ValueError for an unknown name or an option that the constructor does
    not take. What the constructor itself raises passes through: a mistake in
    its code is not the user's.
    """
    make = import_outside(kind, name) if ":" in name else find(kind, known, name)
    check_options(f"{kind} {name!r}", make, options)
    return make(**options)


def check_options(what: str, make: Callable, options: Mapping[str, Any]) -> None:
    """Raise ValueError where ``make`` cannot be called with these keywords."""
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        raise ValueError(f"{what}: {error}") from None


def import_outside(kind: str, name: str) -> Callable:
    """The class ``package.module:Class``; raises ValueError where it cannot be imported."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{kind} {name!r} cannot be imported: {error}") from None
