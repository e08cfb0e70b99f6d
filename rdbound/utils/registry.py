"""Things by name: the one way in which channels, models, sources and methods are built.

A name in a table is a constructor; ``package.module:Class`` is one from anywhere, which only
a user may choose (:func:`refuse_outside`). The annotations of a constructor are its schema:
options out of YAML are checked against them, so that a mistake is told by name before anything
runs.
"""

import importlib
import inspect
import os
import sys
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import is_dataclass
from functools import partial
from typing import Any

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

__all__ = ["build", "checked_options", "find", "import_outside", "refuse_outside"]

_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)


def find(kind: str, known: Mapping[str, Any], name: str) -> Any:
    """``known[name]``; raises ValueError listing the names where there is none."""
    if name not in known:
        raise ValueError(f"unknown {kind} {name!r}: choose one of {', '.join(known)}")
    return known[name]


def build(kind: str, known: Mapping[str, Callable], name: str, options: Mapping[str, Any]) -> Any:
    """``known[name](**options)``.

    Args:
      kind: what is built, for messages: ``channel``, ``model``, …
      known: constructors by name.
      name: in ``known``, or ``package.module:Class`` for one from outside.
      options: keywords.

    Raises ValueError for an unknown name or an option that the constructor does
    not take. What the constructor itself raises passes through: a mistake in
    its code is not the user's.
    """
    make = import_outside(kind, name) if ":" in name else find(kind, known, name)
    return make(**checked_options(f"{kind} {name!r}", make, options))


def checked_options(what: str, make: Callable, options: Mapping[str, Any]) -> dict[str, Any]:
    """``options`` as the annotations of ``make`` want them (a list as a tuple, 1 as 1.0).

    Raises ValueError, beginning with ``what``, for one that it does not take, one
    that is missing or one of another type.
    """
    try:
        bound = _signature(make)
    except ValueError:  # of a class written in C: it must judge by itself
        return dict(options)
    try:
        bound(**options)
    except TypeError as error:
        raise ValueError(f"{what}: {error}") from None
    hints = _hints(make)
    return {
        key: _as_annotated(f"{what}: {key}", hints[key], value) if key in hints else value
        for key, value in options.items()
    }


def _called(make: Callable) -> tuple[Callable, tuple]:
    """(the function that takes the options, what it is given before them)."""
    target, given = (make.func, make.args) if isinstance(make, partial) else (make, ())
    if inspect.isclass(target) and not is_dataclass(target):
        return target.__init__, (None, *given)
    return target, given


def _signature(make: Callable) -> Callable:
    """What binds keywords to the parameters of ``make``; raises ValueError where it has none.

    Of a class those of its ``__init__``: what a metaclass takes says nothing.
    """
    target, given = _called(make)
    return partial(inspect.signature(target).bind, *given)


def _hints(make: Callable) -> dict[str, Any]:
    """The annotations of what is called; none where they cannot be resolved."""
    try:
        return typing.get_type_hints(_called(make)[0], include_extras=True)
    except (NameError, TypeError):
        return {}


def _as_annotated(what: str, hint: Any, value: Any) -> Any:
    try:
        return TypeAdapter(hint, config=_ANY_CLASS).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ValueError(f"{what} = {value!r}: {reason}") from None
    except PydanticUserError:  # an annotation that says nothing at run time
        return value


def import_outside(kind: str, name: str) -> Callable:
    """The class ``package.module:Class``; raises ValueError where it cannot be imported.

    Modules of the current folder are found too, after all others: nothing that is installed
    is hidden by them.
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

    To import a module is to run it: which one is the user's to say, never a file's.

    Args:
      kind: what the name is of, for the message.
      name: what the file says.
      outside: the names ``package.module:Class`` that the user gave.

    Raises ValueError where ``name`` is from outside the package and not among ``outside``.
    """
    if ":" in name and name not in outside:
        flag = f"--{kind} {name} on the command line, " if kind == "model" else ""
        raise ValueError(
            f"its {kind} is {name!r}, from outside the package, and a file may not choose what is "
            f"imported; where you trust it, name it yourself: {flag}"
            f"evaluation.outside=[{name!r}] in a config, outside=[{name!r}] in Python"
        )
