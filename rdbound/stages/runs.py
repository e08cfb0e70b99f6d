"""Run folders: the resolved configuration, provenance, and what may not be overwritten.

    FOLDER/config.yaml       every default written out
    FOLDER/inputs.json       SHA-256 of the data and checkpoints that were read
    FOLDER/provenance.json   versions, machine, commit and seed, an entry a start
    FOLDER/finished.json     there where the run is complete

beside what its stage writes.
"""

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from rdbound.config import Config, to_yaml
from rdbound.stages.identity import same_run

__all__ = ["finish", "finished", "open_run", "provenance"]

_DONE = "finished.json"


def open_run(config: Config, inputs: dict[str, str]) -> Path:
    """Make or re-enter the folder of a run.

    ``inputs`` are SHA-256 digests by name, of the data and of the checkpoints
    that the run reads. Raises ValueError where the folder holds a run of
    another configuration or of other inputs: nothing of it is touched. What
    only launches a run may differ (:mod:`rdbound.stages.identity`).
    """
    folder = Path(config.output)
    text = to_yaml(config)
    stored, digests = folder / "config.yaml", folder / "inputs.json"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give another output=FOLDER")
    if stored.exists() and not same_run(stored, config):
        raise ValueError(
            f"{folder} holds a run of another configuration (see {stored}); "
            "give another output=FOLDER, or remove that one"
        )
    if folder.is_dir() and not stored.exists() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} is not empty and not a run of rdbound; give another output=FOLDER"
        )
    if digests.exists():
        _check_inputs(folder, json.loads(digests.read_text()), inputs)
    folder.mkdir(parents=True, exist_ok=True)
    # In this order: a folder with a configuration is a run, whatever else it lacks.
    stored.write_text(text)
    digests.write_text(json.dumps(inputs, indent=2) + "\n")
    if not finished(folder):
        _record_start(folder / "provenance.json", config.seed)
    return folder


def _check_inputs(folder: Path, before: dict[str, str], now: dict[str, str]) -> None:
    changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if changed:
        raise ValueError(
            f"{folder} was begun with other contents of {', '.join(changed)}; "
            "give another output=FOLDER, or remove that one"
        )


def _record_start(path: Path, seed: int) -> None:
    """Append this start to the run's provenance: a run may be continued elsewhere."""
    starts = json.loads(path.read_text()) if path.exists() else []
    starts.append(provenance() | {"seed": seed})
    path.write_text(json.dumps(starts, indent=2) + "\n")


def finish(folder: Path, summary: dict) -> None:
    """Mark a run as complete; ``summary``, of JSON values, is what the mark says."""
    (folder / _DONE).write_text(json.dumps(summary, indent=2) + "\n")


def finished(folder: Path) -> bool:
    """Whether the run in ``folder`` is complete."""
    return (folder / _DONE).exists()


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
