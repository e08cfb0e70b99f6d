"""The table of gaps, ``gaps.csv``: one row per (dataset, image, λ, gap)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rdbound.tables.csv_records import write_records

__all__ = ["Gap", "write_gaps"]


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap in bits per pixel; ``image`` is ``mean`` for the average over the data set.

    ``lo``, ``hi``: 95 % interval over images, None for single images and means of fewer than four.
    """

    dataset: str
    image: str
    lmbda: float
    gap: str
    value: float
    lo: float | None
    hi: float | None


def write_gaps(path: Path, gaps: Iterable[Gap]) -> None:
    """Write ``gaps.csv``; an existing file is replaced whole or not at all."""
    write_records(path, Gap, gaps)
