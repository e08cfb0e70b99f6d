"""The configs that are shipped: in a checkout beside the package, in a wheel within it."""

from importlib import resources
from pathlib import Path

__all__ = ["described", "shipped"]


def shipped() -> dict[str, Path]:
    """Files by name, without their suffix: ``kodak``, ``known_answers/finite``.

    Raises ValueError where there are none.
    """
    package = Path(str(resources.files("rdbound")))
    for folder in (package / "configs", package.parent / "configs"):
        files = sorted(folder.rglob("*.yaml")) if folder.is_dir() else []
        if files:
            return {str(f.relative_to(folder).with_suffix("")): f for f in files}
    raise ValueError("this installation has no configs; they are in a checkout's configs/")


def described(config: Path) -> str:
    """What a config says that it is, in its first line."""
    first = config.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# What: ") if first.startswith("# What: ") else ""
