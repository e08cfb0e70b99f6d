"""Run other programs."""

import subprocess
from collections.abc import Sequence

__all__ = ["run_program"]

_LIMIT = 3600  # seconds per image


def run_program(name: str, command: Sequence[str], stdin: bytes | None = None) -> bytes:
    """Run a program and return its standard output.

    Args:
      name: name of the codec, for messages.
      command: the program and its arguments; they run without a shell.
      stdin: standard input of the program.

    Raises:
      ValueError: if the program does not exist, fails (with its last line) or takes longer than
        an hour.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command, input=stdin, capture_output=True, timeout=_LIMIT, check=False
        )
    except FileNotFoundError:
        raise ValueError(f"{name}: there is no program {command[0]!r} to run") from None
    except PermissionError:
        raise ValueError(f"{name}: {command[0]!r} may not be run; is it a program?") from None
    except subprocess.TimeoutExpired:
        raise ValueError(f"{name}: {command[0]!r} did not end within an hour") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "no output"
        raise ValueError(f"{name}: {command[0]!r} failed with exit code {done.returncode}: {last}")
    return done.stdout
