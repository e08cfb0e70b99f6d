"""Other programs, run on files in a folder of their own."""

import subprocess
from collections.abc import Sequence

__all__ = ["run_program"]

_LIMIT = 3600  # seconds of one image


def run_program(name: str, command: Sequence[str], stdin: bytes | None = None) -> bytes:
    """Run a program to its end; returns what it writes to its standard output.

    Args:
      name: of the codec, for messages.
      command: the program and its arguments, which no shell sees.
      stdin: what it reads.

    Raises ValueError where there is no such program, where it fails, with its last line, and
    where it takes longer than an hour.
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
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        last = said[-1] if said else "it said nothing"
        raise ValueError(f"{name}: {command[0]!r} failed with exit code {done.returncode}: {last}")
    return done.stdout
