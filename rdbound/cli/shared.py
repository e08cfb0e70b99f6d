"""What several commands are told alike."""

import argparse
from collections.abc import Callable
from typing import Any

from rdbound.reference import DEFAULT_ANCHOR

__all__ = ["Command", "add_anchor", "add_lmbda", "add_method", "add_model", "at_least"]

Command = Callable[[str, Callable[[Any], int | None], str], argparse.ArgumentParser]
"""(name, what runs it, one line) → the parser of a new command."""


def add_method(sub: argparse.ArgumentParser) -> None:
    """How curves are interpolated."""
    sub.add_argument(
        "--method",
        default="pchip",
        choices=("pchip", "akima", "cubic"),
        help="of interpolation; default: pchip",
    )


def add_anchor(sub: argparse.ArgumentParser) -> None:
    """What rates are compared with."""
    sub.add_argument(
        "--anchor",
        default=DEFAULT_ANCHOR,
        help="whose rate is 100 %%: a published curve, a CSV of points, or "
        f"TABLE.csv:METHOD; default: {DEFAULT_ANCHOR}",
    )


def add_lmbda(sub: argparse.ArgumentParser, text: str, **more: Any) -> None:
    """λ, by either spelling."""
    sub.add_argument("--lmbda", "--lambda", dest="lmbda", type=float, help=text, **more)


def at_least(least: int) -> Callable[[str], int]:
    """What reads a whole number that is not below ``least``."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
        return int(text)

    return number


def add_model(sub: argparse.ArgumentParser) -> None:
    """The models from outside that a file may name."""
    sub.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="PACKAGE.MODULE:CLASS",
        help="allow the file to name this class from outside the package",
    )
