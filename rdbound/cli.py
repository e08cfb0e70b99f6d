"""The command line: ``rdbound COMMAND``, or ``python -m rdbound COMMAND``.

Every mistake of a user ends in one clear message and exit code 2. Commands are declared in
:mod:`rdbound.commands`, and import what they need when they run.
"""

import argparse
import logging
import os
import sys
import threading
from _thread import interrupt_main
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from rdbound.commands.analysing import add_analysing
from rdbound.commands.coding import add_coding
from rdbound.commands.listing import add_listing
from rdbound.commands.running import add_running

__all__ = ["main", "script"]

_INTERRUPTED = 130


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
    """
    if dropped.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, interrupt_main).start()  # after the callback, not within it
    else:
        sys.__unraisablehook__(dropped)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        arguments = _parser().parse_args(argv)
        return arguments.run(arguments) or 0
    except ValueError as error:
        for line in str(error).splitlines():
            print(f"rdbound: error: {line}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # what reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        reason = str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        print(f"rdbound: error: {reason}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"rdbound: error: not enough memory: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # XLA's, where an array cannot be allocated
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(f"rdbound: error: not enough memory: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("rdbound: interrupted; start the same command again to go on", file=sys.stderr)
        return _INTERRUPTED


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
