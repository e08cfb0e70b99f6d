"""Build channels, models, sources and other things by their names.

A name in a table stands for a constructor; ``package.module:Class`` is a constructor from outside
the package, which only a user may choose (:func:`refuse_outside`). Constructors validate their
own options: they are pydantic dataclasses or decorated with ``pydantic.validate_call``, both with
the configuration :data:`OPTIONS`. What they refuse becomes one line of ValueError here.
"""

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError
from pydantic_core import ErrorDetails

__all__ = ["OPTIONS", "build", "describe", "find", "import_outside", "refuse_outside"]

OPTIONS = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
"""The pydantic configuration of everything that is built by its name."""
_SHOWN = 120  # characters of a value that a message repeats
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")


def find(kind: str, known: Mapping[str, Any], name: str) -> Any:
    """Return ``known[name]``.

    Raises:
      ValueError: for an unknown name, with the nearest name and all others.
    """
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown {kind} {name!r}: choose one of {', '.join(known)}{hint}")
    return known[name]


def build(kind: str, known: Mapping[str, Callable], name: str, options: Mapping[str, Any]) -> Any:
    """Return ``known[name](**options)``.

    Args:
      kind: the kind of thing for messages: ``channel``, ``model``, …
      known: constructors by name.
      name: a name in ``known``, or ``package.module:Class`` for a class from outside.
      options: the keywords of the constructor.

    Raises:
      ValueError: in one line, for an unknown name, for options that the constructor refuses and for
        any other exception of the constructor, which is the cause of the error.
    """
    make = import_outside(kind, name) if ":" in name else find(kind, known, name)
    what = f"{kind} {name!r}"
    try:
        return make(**options)
    except ValidationError as error:
        # pydantic keeps the options of its dataclasses.
        fields = getattr(make, "__pydantic_fields__", ())
        raise ValueError(f"{what}: {describe(error.errors()[0], fields)}") from error
    except ValueError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{what}: {type(error).__name__}: {reason}") from error


def describe(error: ErrorDetails, known: Collection[str] = ()) -> str:
    """Return one line for a mistake that pydantic found: where, what was expected, what was found.

    Args:
      error: one of the errors of a ``pydantic.ValidationError``.
      known: the keys that are allowed in the place of an unknown key.
    """
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] in _UNKNOWN:
        near = difflib.get_close_matches(str(error["loc"][-1]), known, 1, 0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        if known and not near:
            hint = f"; valid keys: {', '.join(sorted(known))}"
        return f"{path}: unknown key{hint}"
    message = error["msg"].removeprefix("Value error, ")
    if not path:  # the mistake is in several options together
        return message
    found = "" if error["type"] in _MISSING else f", found {_shown(error['input'])}"
    return f"{path}: {message}{found}"


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= 10**80:
        return "a huge number"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def import_outside(kind: str, name: str) -> Callable:
    """Return the class ``package.module:Class``.

    Modules of the current folder are found after all others, so that they hide no installed one.

    Raises:
      ValueError: if the name cannot be imported or is neither a class nor a function.
    """
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{kind} {name!r} cannot be imported: {error}") from None
    if not callable(found):
        raise ValueError(f"{kind} {name!r} is no class or function, but {found!r}")
    return found


def refuse_outside(kind: str, name: str, outside: Collection[str]) -> None:
    """Check a name that a file chose, before anything is built by it.

    To import a module is to run it: the user chooses which one, never a file.

    Args:
      kind: the kind of thing that is named, for the message.
      name: the name in the file.
      outside: the names ``package.module:Class`` that the user gave.

    Raises:
      ValueError: if ``name`` is from outside the package and not among ``outside``.
    """
    if ":" in name and name not in outside:
        flag = f"--{kind} {name} on the command line, " if kind == "model" else ""
        raise ValueError(
            f"its {kind} is {name!r}, from outside the package, and a file may not choose what is "
            f"imported; where you trust it, name it yourself: {flag}"
            f"evaluation.outside=[{name!r}] in a config, outside=[{name!r}] in Python"
        )
