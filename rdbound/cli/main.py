"""The command line: ``rdbound COMMAND``, or ``python -m rdbound COMMAND``.

Every mistake of a user ends in one clear message and exit code 2. Commands are declared in
:mod:`rdbound.cli`, and import what they need when they run.
"""

import argparse
import logging
import os
import sys
import threading
import traceback
from _thread import interrupt_main
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from rdbound.cli.analysing import add_analysing
from rdbound.cli.coding import add_coding
from rdbound.cli.listing import add_listing
from rdbound.cli.running import add_running
from rdbound.cli.settings import add_verbosity, settle

__all__ = ["main", "script"]

_INTERRUPTED = 130
_interrupted = threading.Event()


def script() -> NoReturn:
    """:func:`main` as a process of its own, which ends with its exit code."""
    # What Orbax logs of a failure it raises too, and that ends in one line.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    sys.unraisablehook = _interrupt_again
    code = main()
    if code == _INTERRUPTED:
        # Not by way of the interpreter's exit: it takes JAX down while a thread of XLA's
        # may still compile, and crashes. What a command writes is closed by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _interrupt_again(dropped) -> None:
    """Bring a Ctrl-C back that Python dropped, as it drops what a finalizer or a callback of the
    garbage collector raises, JAX's among them: the command would go on as if nothing had been.

    What was interrupted leaves halves of things, such as an event loop of Orbax's, that cannot be
    closed well; nobody need be told of each.
    """
    if dropped.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, interrupt_main).start()  # after the callback, not within it
    elif not _interrupted.is_set():
        sys.__unraisablehook__(dropped)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    verbose = False
    _interrupted.clear()
    try:
        arguments = _parsed(argv)
        verbose = getattr(arguments, "verbose", False)
        settle(arguments)
        return arguments.run(arguments) or 0
    except Exception as error:
        if verbose:
            traceback.print_exc()
        return _told(error)
    except KeyboardInterrupt:
        _interrupted.set()
        print("rdbound: interrupted; start the same command again to go on", file=sys.stderr)
        return _INTERRUPTED


def _told(error: Exception) -> int:
    """Exit code 2 and one line for what a user can mend; raises everything else again."""
    if isinstance(error, BrokenPipeError):  # what reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    for line in _lines(error):
        print(f"rdbound: error: {line}", file=sys.stderr)
    return 2


def _lines(error: Exception) -> list[str]:
    """What is wrong, in the user's words."""
    if isinstance(error, ValueError):
        return str(error).splitlines()
    if isinstance(error, OSError):
        named = error.filename is not None
        return [f"{error.filename}: {error.strerror}" if named else str(error)]
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in first:  # the latter XLA's
        return [f"not enough memory: {first}"]
    raise error


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; overrides of a config may stand between or behind its options."""
    parser = _parser()
    arguments, left = parser.parse_known_args(argv)
    strange = [text for text in left if text.startswith("-") or "=" not in text]
    if strange or (left and not hasattr(arguments, "overrides")):
        parser.error(f"unrecognized arguments: {' '.join(strange or left)}")
    if left:
        arguments.overrides = [*arguments.overrides, *left]
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rdbound", description="How far is a codec from the rate–distortion bound, and why?"
    )
    parser.add_argument("--version", action=_Version)
    parser.set_defaults(run=lambda arguments: parser.print_help())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int | None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        add_verbosity(sub)
        return sub

    for add in (add_running, add_analysing, add_coding, add_listing):
        add(command)
    return parser


class _Version(argparse.Action):
    """Print the version of the package, which takes a while to find, only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str):
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        from importlib.metadata import version

        print(f"rdbound {version('rdbound')}")
        parser.exit()


if __name__ == "__main__":
    script()
