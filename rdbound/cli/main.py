"""Run the command line: ``rdbound COMMAND``, or ``python -m rdbound COMMAND``.

Every mistake of a user ends in one clear message and exit code 2. The commands are functions in
the modules beside this one, and import what they need when they run.
"""

import logging
import os
import sys
import threading
from _thread import interrupt_main
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command

from rdbound.cli.shared import app

__all__ = ["commands", "main", "script"]

_INTERRUPTED = 130
_UsageError: type[Any] = typer.BadParameter.__mro__[1]
_SEVERAL = {
    "calibrate": ("--lmbda", "--lambda"),
    "check-model": ("--lmbda", "--lambda"),
    "codecs": ("--codec", "--settings"),
}
"""Options that take several values, by command: ``--settings 20 30 40``."""
_interrupted = threading.Event()


def script() -> NoReturn:
    """Run :func:`main` as a process of its own, which ends with its exit code."""
    if "_RDBOUND_COMPLETE" in os.environ:  # the shell asks for completions
        commands().main(prog_name="rdbound")
    # Orbax logs failures that it raises too, and that end in one line here.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    sys.unraisablehook = _interrupt_again
    code = main()
    if code == _INTERRUPTED:
        # Not through the interpreter's exit, which takes JAX down while a thread of XLA may
        # still compile, and crashes. All files of the command are closed by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _interrupt_again(dropped: Any) -> None:
    """Repeat a Ctrl-C that Python dropped.

    Python drops exceptions in finalizers and in callbacks of the garbage collector, such as
    JAX's, and the command would go on. After an interrupt no other dropped exception is shown:
    half-closed objects, such as an event loop of Orbax, cannot be closed well.
    """
    if dropped.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, interrupt_main).start()  # after the callback, not within it
    elif not _interrupted.is_set():
        sys.__unraisablehook__(dropped)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code.

    Args:
      argv: the arguments; those of the process by default.
    """
    _interrupted.clear()
    try:
        arguments = _spread(sys.argv[1:] if argv is None else argv)
        with commands().make_context("rdbound", arguments) as context:
            return context.command.invoke(context) or 0
    except typer.Exit as ended:
        return ended.exit_code
    except _UsageError as error:
        usage = "" if error.ctx is None else f" (see {error.ctx.command_path} --help)"
        message = " ".join(error.format_message().split())
        print(f"rdbound: error: {message}{usage}", file=sys.stderr)
        return 2
    except Exception as error:
        return _report(error)
    except KeyboardInterrupt:
        _interrupted.set()
        print("rdbound: interrupted; start the same command again to go on", file=sys.stderr)
        return _INTERRUPTED


@cache
def commands() -> Any:
    """Return the group of all commands, a :class:`click.Group`."""
    for name in ("running", "analysing", "coding", "listing"):
        import_module(f"rdbound.cli.{name}")  # adds its commands
    return get_command(app)


def _spread(argv: Sequence[str]) -> list[str]:
    """Repeat an option before each of its values: ``--codec jpeg --codec webp``."""
    several = _SEVERAL.get(argv[0], ()) if argv else ()
    spread: list[str] = []
    option, count = "", 0
    for text in argv:
        if text.startswith("-"):
            option, count = text, 0
        elif option in several:
            spread += [option] if count else []
            count += 1
        spread.append(text)
    return spread


def _report(error: Exception) -> int:
    """Print one line for what a user can mend and return exit code 2; raise all other errors."""
    if isinstance(error, BrokenPipeError):  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    for line in _lines(error):
        print(f"rdbound: error: {line}", file=sys.stderr)
    return 2


def _lines(error: Exception) -> list[str]:
    if isinstance(error, ValueError):
        return str(error).splitlines()
    if isinstance(error, OSError):
        named = error.filename is not None
        return [f"{error.filename}: {error.strerror}" if named else str(error)]
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in first:  # the latter is XLA's
        return [f"not enough memory: {first}"]
    raise error


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"rdbound {version('rdbound')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """How far is a codec from the rate–distortion bound, and why?"""  # noqa: D400
    if context.invoked_subcommand is None:
        print(context.get_help())


if __name__ == "__main__":
    script()
