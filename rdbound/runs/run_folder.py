"""Run folders: the resolved configuration, provenance, and what may not be overwritten.

    FOLDER/config.yaml       every default written out
    FOLDER/inputs.json       SHA-256 of the data and checkpoints that were read
    FOLDER/provenance.json   versions, machine, commit and seed, an entry a start
    FOLDER/finished.json     there where the run is complete
    FOLDER/.lock             locked while a process is at work

beside what its stage writes. All of them are written whole or not at all.

What the files of a run's folder are called.

What makes a run the run that it is: whatever changes its numbers, and nothing else.

A folder holds one run. Started again with the same identity it is continued; with
another it is refused, so that no table mixes rows of two experiments.

One process at a time in a run folder.
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


"""Keys that say where or how a run is done. What is read from paths is known by
its contents: the digests beside the configuration."""


def identity(config: Config) -> dict[str, Any]:
    """The configuration, as JSON values, without the keys of :data:`LAUNCH`."""
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
    """Whether a stored configuration means the same run.

    It is read by today's schema, so that a default that is new to it does not
    make a run of yesterday another one. A key that the schema no longer knows does.
    Raises ConfigError where it is no configuration at all.
    """
    raw = read_yaml(stored)
    try:
        before = validated(str(stored), raw)
    except ConfigError:
        return False
    return identity(before) == identity(config)


LOCK = ".lock"


"""The file in a run folder that is locked. It stays: to remove it would race with who opens it."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system releases it where the process dies.

    Raises ValueError, naming who holds it, where another does.
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
    """Whether a process holds the lock of a folder."""
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


_DONE = "finished.json"


@contextmanager
def open_run(config: Config, inputs: dict[str, str]) -> Iterator[Path]:
    """Make or re-enter the folder of a run, and be alone in it while it is open.

    ``inputs`` are SHA-256 digests by name, of the data and of the checkpoints
    that the run reads. Raises ValueError where the folder holds a run of
    another configuration or of other inputs, where a file of it is damaged and
    where another process is in it: nothing of it is touched. What
    only launches a run may differ (:mod:`rdbound.runs.run_folder`). Of several processes
    (:mod:`rdbound.optimization.multihost`) the first enters for all.
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
    """Check that the folder is of this run, and say what it is."""
    _check_run(folder, config, inputs)
    # In this order: a folder with a configuration is a run, whatever else it lacks.
    write_text(folder / CONFIG, to_yaml(config))
    write_json(folder / INPUTS, inputs)
    if not finished(folder):
        _record_start(folder / PROVENANCE, config.seed)


def _refuse_others(folder: Path) -> None:
    """Raise ValueError where ``folder`` is neither a run nor empty."""
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
    finished(folder)  # raises where its mark is damaged


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
    """Mark a run as complete; ``summary``, of JSON values, is what the mark says."""
    write_json(folder / _DONE, summary)


def finished(folder: Path) -> bool:
    """Whether the run in ``folder`` is complete; raises ValueError where its mark is damaged."""
    mark = folder / _DONE
    return mark.exists() and read_json(mark, dict) is not None


def provenance() -> dict:
    """Versions of what computes, Python, machine, JAX devices and git commit, as JSON values."""
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
    """The commit of the checkout the package runs from; None outside of one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
