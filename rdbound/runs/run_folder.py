"""Make, enter, lock and finish run folders.

    FOLDER/config.yaml       the configuration with every default
    FOLDER/inputs.json       SHA-256 of the data and checkpoints that were read
    FOLDER/provenance.json   versions, machine, commit and seed, an entry for each start
    FOLDER/finished.json     mark of a complete run
    FOLDER/.lock             locked while a process works in the folder

Each file is written completely or not at all. A folder holds one run, whose identity is
everything that changes its numbers. Started again with the same identity the run resumes; with
another one it is refused, so that no table mixes rows of two experiments. One process at a time
works in a folder.
"""

import fcntl
import os
import platform
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from rdbound.config import Config, ConfigError, to_yaml
from rdbound.config.load import read_yaml, validated
from rdbound.optimization.multihost import is_first, together
from rdbound.utils.atomic_files import read_json, write_json, write_text

__all__ = [
    "CONFIG",
    "GAP_TABLE",
    "INPUTS",
    "LAUNCH",
    "LOCK",
    "PAGE",
    "PICTURES",
    "PROVENANCE",
    "RD_TABLE",
    "finish",
    "finished",
    "identity",
    "is_locked",
    "locked",
    "open_run",
    "provenance",
    "same_run",
]

CONFIG = "config.yaml"
INPUTS = "inputs.json"
PROVENANCE = "provenance.json"
RD_TABLE = "rd.csv"
GAP_TABLE = "gaps.csv"
PAGE = "index.html"
PICTURES = "pictures"
LOCK = ".lock"
"""The locked file. It is never removed: that would race with a process that opens it."""
_DONE = "finished.json"

LAUNCH = (
    "output",
    "sweep",
    "model.start_from",
    "training.data.path",
    "training.data.held_out",
    "training.data.cache_gib",
    "training.options.checkpoint_every",
    "training.options.log_every",
    "evaluation.checkpoints",
    "evaluation.data.path",
    "evaluation.data.cache_gib",
    "evaluation.batch",
    "evaluation.processes",
    "evaluation.anchor",
    "evaluation.keep_streams",
    "evaluation.outside",
)
"""Keys that determine where or how a run works, but none of its numbers. Data and checkpoints are
identified by the digests of their contents beside the configuration."""


def identity(config: Config) -> dict[str, Any]:
    """Return the configuration as JSON values, without the keys of :data:`LAUNCH`."""
    raw = config.model_dump(mode="json")
    for key in LAUNCH:
        *parents, last = key.split(".")
        node: Any = raw
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    return raw


def same_run(stored: Path, config: Config) -> bool:
    """Return whether a stored configuration describes the same run.

    Adding a default to the schema does not invalidate existing runs; removing a key that a
    stored configuration has does.

    Raises:
      ConfigError: the stored file is no configuration.
    """
    raw = read_yaml(stored)
    try:
        before = validated(str(stored), raw)
    except ConfigError:
        return False
    return identity(before) == identity(config)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system releases it if the process dies.

    Raises:
      ValueError: another process holds it; the message names that process.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _acquire(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a folder."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _acquire(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
        raise ValueError(
            f"{folder} is in use by {holder}; wait for it, stop it, or give another output=FOLDER"
        ) from None
    except OSError:
        pass  # a file system without locks


@contextmanager
def open_run(config: Config, inputs: dict[str, str]) -> Iterator[Path]:
    """Make or re-enter the folder of a run, and lock it while it is open.

    Of several processes (:mod:`rdbound.optimization.multihost`) the first enters for all.

    Args:
      config: the configuration of the run.
      inputs: SHA-256 digests by name, of the data and checkpoints that the run reads.

    Raises:
      ValueError: the folder holds a run of another configuration (:data:`LAUNCH` may differ) or
        of other inputs, a file of it is damaged, or another process works in it. Nothing in it
        changes.
    """
    folder = Path(config.output)
    with ExitStack() as stack:
        with together():
            if is_first():
                _refuse_others(folder)
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(folder))
                _begin(folder, config, inputs)
        yield folder


def _begin(folder: Path, config: Config, inputs: dict[str, str]) -> None:
    """Check that the folder is of this run, and write its configuration and provenance."""
    _check_run(folder, config, inputs)
    # In this order: a folder with a configuration is a run, whatever else it lacks.
    write_text(folder / CONFIG, to_yaml(config))
    write_json(folder / INPUTS, inputs)
    if not finished(folder):
        _record_start(folder / PROVENANCE, config.seed)


def _refuse_others(folder: Path) -> None:
    """Raise ValueError if ``folder`` is neither a run nor empty."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give another output=FOLDER")
    names = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    if names - {LOCK, CONFIG + ".part"} and CONFIG not in names:
        raise ValueError(
            f"{folder} is not empty and not a run of rdbound; give another output=FOLDER"
        )


def _check_run(folder: Path, config: Config, inputs: dict[str, str]) -> None:
    stored, digests = folder / CONFIG, folder / INPUTS
    if stored.exists() and not same_run(stored, config):
        raise ValueError(
            f"{folder} holds a run of another configuration (see {stored}); "
            "give another output=FOLDER, or remove that one"
        )
    if digests.exists():
        _check_inputs(folder, read_json(digests, dict), inputs)
    finished(folder)  # raises if its mark is damaged


def _check_inputs(folder: Path, before: dict[str, str], now: dict[str, str]) -> None:
    changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if changed:
        raise ValueError(
            f"{folder} was begun with other contents of {', '.join(changed)}; "
            "give another output=FOLDER, or remove that one"
        )


def _record_start(path: Path, seed: int) -> None:
    """Append this start to the run's provenance: a run may be continued elsewhere."""
    starts = read_json(path, list) if path.exists() else []
    write_json(path, [*starts, provenance() | {"seed": seed}])


def finish(folder: Path, summary: dict) -> None:
    """Mark a run as complete, with a summary of JSON values."""
    write_json(folder / _DONE, summary)


def finished(folder: Path) -> bool:
    """Return whether the run in ``folder`` is complete.

    Raises:
      ValueError: its mark is damaged.
    """
    mark = folder / _DONE
    return mark.exists() and read_json(mark, dict) is not None


def provenance() -> dict:
    """Return versions of packages, Python, machine, devices and commit as JSON values."""
    import jax

    packages = ("rdbound", "jax", "jaxlib", "flax", "optax", "numpy", "constriction")
    return {
        "versions": {p: metadata.version(p) for p in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": [str(d) for d in jax.devices()],
        "git_commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of the package's checkout, or None outside of a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
