"""Find the configs and the checkpoints that are shipped with the package."""

from importlib import resources
from pathlib import Path

__all__ = ["described", "shipped", "zoo"]


def zoo() -> dict[str, Path]:
    """Return the files of the shipped checkpoints by name."""
    folder = Path(str(resources.files("rdbound") / "zoo"))
    return {file.stem: file for file in sorted(folder.glob("*.safetensors"))}


def shipped() -> dict[str, Path]:
    """Return the files of the shipped configs by name: ``kodak``, ``known_answers/finite``.

    They lie beside the package in a checkout and within it in a wheel.

    Raises:
      ValueError: the installation has no configs.
    """
    package = Path(str(resources.files("rdbound")))
    for folder in (package / "configs", package.parent / "configs"):
        files = sorted(folder.rglob("*.yaml")) if folder.is_dir() else []
        if files:
            return {str(f.relative_to(folder).with_suffix("")): f for f in files}
    raise ValueError("this installation has no configs; they are in a checkout's configs/")


def described(config: Path) -> str:
    """Return the description in the first line of a config, or an empty string."""
    first = config.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# What: ") if first.startswith("# What: ") else ""
