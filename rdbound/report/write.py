"""Reports as files: the one place of this package with effects."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from rdbound.report.document import Document, Picture
from rdbound.report.markdown import document_lines
from rdbound.utils.atomic_files import write_text

__all__ = ["save_figure", "save_pictures", "write_document"]


def write_document(document: Document, folder: Path) -> Path:
    """Write ``report.md`` and its pictures into a folder and return the path of the report."""
    save_pictures(document.pictures, folder)
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.md"
    write_text(report, "\n".join(document_lines(document)) + "\n")
    return report


def save_pictures(pictures: Iterable[Picture], folder: Path) -> None:
    """Save each picture under its stem, as :func:`save_figure`."""
    for picture in pictures:
        save_figure(picture.figure, folder / picture.stem)


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` (200 dpi) and ``stem.pdf`` and return the two paths."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [Path(f"{stem}{suffix}") for suffix in (".png", ".pdf")]
    for path in paths:
        figure.savefig(path, dpi=200, bbox_inches="tight")
    return paths
