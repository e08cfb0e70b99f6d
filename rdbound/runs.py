"""Run folders: the resolved configuration, provenance, and what may not be overwritten."""

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from rdbound.config import Config, to_yaml

__all__ = ["finish", "finished", "open_run", "provenance"]

_DONE = "finished.json"


def open_run(config: Config, data_fingerprint: str | None = None) -> Path:
    """Make or re-enter the folder of a run.

    Raises ValueError where the folder holds a run of another configuration:
    nothing of it is touched.
    """
    folder = Path(config.output)
    text = to_yaml(config)
    stored = folder / "config.yaml"
    if stored.exists() and stored.read_text() != text:
        raise ValueError(
            f"{folder} holds a run of another configuration (see {stored}); "
            "give another output=FOLDER, or remove that one"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give another output=FOLDER")
    if folder.is_dir() and not stored.exists() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} is not empty and not a run of rdbound; give another output=FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    stored.write_text(text)
    record = provenance() | {"seed": config.seed, "data_sha256": data_fingerprint}
    (folder / "provenance.json").write_text(json.dumps(record, indent=2) + "\n")
    return folder


def finish(folder: Path, summary: dict) -> None:
    """Mark a run as complete."""
    (folder / _DONE).write_text(json.dumps(summary, indent=2) + "\n")


def finished(folder: Path) -> bool:
    """Whether the run in ``folder`` is complete."""
    return (folder / _DONE).exists()


def provenance() -> dict:
    """Versions, machine and git commit."""
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
