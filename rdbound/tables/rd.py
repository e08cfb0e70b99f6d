"""The RD table: one row per (dataset, image, model, λ, method).

Every plot, gap, BD-rate and interval is a pure function of such tables. What a
method is, :data:`rdbound.methods.METHODS` says.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, FiniteFloat, NonNegativeInt

from rdbound.tables.csv_records import (
    Count,
    Maybe,
    NonNegative,
    Positive,
    Text,
    cell_error,
    read_records,
    write_records,
)

__all__ = [
    "BLOCK",
    "COLUMNS",
    "MEAN",
    "RDTable",
    "Row",
    "check_unique",
    "is_squared",
    "read_table",
    "write_table",
]

BLOCK = "block-"
"""What the names of examples begin with that are blocks of vectors, not images."""
MEAN = "mean"
"""What stands for the mean over images in the place of a name."""
_NOISE = 6.0  # standard errors by which a Monte-Carlo mean of a rate may be negative
_FLOAT = 1e-5  # what sums of float32 may be off by, in bits per pixel and relative to J


def _of_one_image(name: str) -> str:
    if name == MEAN:
        raise ValueError("the name of the mean over images, and a row has one image")
    return name


@dataclass(frozen=True, slots=True)
class Row:
    """One point. ``None`` is an empty cell.

    Attributes:
      dataset, image, model, lmbda, method: the key.
      pixels: of the image, padding not counted (dimensions of a vector).
      bits: the rate of the whole image; 8·bytes where bytes were written.
      bytes: of the whole file, less side information that rides along.
      bpp, mse, psnr, ms_ssim: bits per pixel; MSE, of images on 0–255; dB; MS-SSIM of RGB.
      J: bpp + λ·D; D is mse, or what the model was trained for (:func:`is_squared`).
      J_se: standard error of J where it is a Monte-Carlo mean.
      steps: of refinement.
      samples: noise samples averaged.
      seed: of the run.
    """

    dataset: Text
    image: Annotated[Text, AfterValidator(_of_one_image)]
    model: Text
    lmbda: Positive
    method: Text
    pixels: Count
    bits: FiniteFloat
    bytes: Maybe[Count]
    bpp: FiniteFloat
    mse: NonNegative
    psnr: Annotated[float, Field(gt=-math.inf)]  # infinite where nothing was lost
    ms_ssim: Maybe[FiniteFloat]
    J: FiniteFloat
    J_se: Maybe[NonNegative]
    steps: NonNegativeInt
    samples: NonNegativeInt
    seed: int

    @property
    def key(self) -> tuple[str, str, str, float, str]:
        """What identifies the row."""
        return self.dataset, self.image, self.model, self.lmbda, self.method


COLUMNS = tuple(f.name for f in fields(Row))


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write ``rd.csv``; an existing file is replaced whole or not at all.

    Raises ValueError where two rows have the same key.
    """
    rows = list(rows)
    check_unique(rows, str(path))
    write_records(path, Row, rows)


class RDTable(list[Row]):
    """Rows, as :func:`read_table` reads them and evaluations return them: a list that prints.

    ``str(table)`` is the means over images, ``table.to_pandas()`` a frame of all columns.
    """

    def __add__(self, other: Iterable[Row]) -> "RDTable":  # type: ignore[override]
        """The rows of both; raises ValueError where one of a key is in both."""
        both = RDTable([*self, *other])
        check_unique(both, "both tables")
        return both

    def __iadd__(self, other: Iterable[Row]) -> "RDTable":  # type: ignore[override,misc]
        """As :meth:`__add__`."""
        return self + other

    def write(self, path: str | Path) -> Path:
        """Write ``path``, a CSV, whole or not at all; returns it."""
        write_table(Path(path), self)
        return Path(path)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the columns of :class:`Row`; needs pandas.

        Raises ModuleNotFoundError where pandas is not there.
        """
        import pandas

        return pandas.DataFrame({name: [getattr(row, name) for row in self] for name in COLUMNS})

    def __str__(self) -> str:
        header = ("model", "method", "λ", "images", "bpp", "PSNR", "J")
        return "\n".join([_printed(header), *(_printed(line) for line in self._means())])

    def _means(self) -> Iterator[tuple[str, ...]]:
        """Cells of the mean over images of every model, method and λ."""
        groups: dict[tuple[str, str, float], list[Row]] = {}
        for row in self:
            groups.setdefault((row.model, row.method, row.lmbda), []).append(row)
        for (model, method, lmbda), rows in groups.items():
            count = len(rows)
            bpp, psnr, J = (sum(getattr(r, n) for r in rows) / count for n in ("bpp", "psnr", "J"))
            yield model, method, f"{lmbda:.4g}", str(count), f"{bpp:.4f}", f"{psnr:.2f}", f"{J:.4f}"


def _printed(cells: Sequence[str]) -> str:
    model, method, *numbers = cells
    return " ".join([f"{model:20}", f"{method:20}", *(f"{number:>8}" for number in numbers)])


def read_table(path: str | Path) -> RDTable:
    """Read and check an RD table.

    Raises ValueError naming the file, the line and the column of the first thing that
    is not a row of the schema, and of a J that is not bpp + λ·mse in a table where
    that of other rows of the model is (a model trained for another distortion has it
    nowhere).
    """
    rows, lines = RDTable(), []
    for line, row in read_records(Path(path), Row, "an RD table"):
        _check_rates(path, line, row)
        rows.append(row)
        lines.append(line)
    check_unique(rows, str(path))
    _check_J(path, lines, rows)
    return rows


def check_unique(rows: Sequence[Row], where: str) -> None:
    """Raise ValueError, naming ``where``, if two rows have the same key."""
    # Keys of a million rows are a lot to keep; their hashes tell that all differ.
    if len({hash(row.key) for row in rows}) == len(rows):
        return
    seen: set[tuple[str, str, str, float, str]] = set()
    for row in rows:
        if row.key in seen:
            raise ValueError(f"{where}: two rows for {row.key}")
        seen.add(row.key)


def is_squared(row: Row) -> bool:
    """Whether D of a row is its MSE, as far as J = bpp + λ·mse can tell."""
    return math.isclose(row.J, row.bpp + row.lmbda * row.mse, rel_tol=_FLOAT, abs_tol=_FLOAT)


def _check_rates(path: str | Path, line: int, row: Row) -> None:
    """Raise ValueError for a rate below zero by more than its noise, or zero where bytes are."""
    least = -_FLOAT - _NOISE * (row.J_se or 0.0)
    for name, rate in (("bits", row.bits / row.pixels), ("bpp", row.bpp)):
        if rate < least:
            raise cell_error(path, line, name, getattr(row, name), "below 0")
        if rate <= 0 and row.bytes is not None:
            raise cell_error(
                path, line, name, getattr(row, name), "no rate, and bytes were written"
            )


def _check_J(path: str | Path, lines: Sequence[int], rows: Sequence[Row]) -> None:
    """Raise ValueError for a J that is not bpp + λ·mse, of a model whose D is the MSE.

    Which that is, its rows tell: J of another distortion is at no row the same.
    """
    squared = {(r.dataset, r.model) for r in rows if r.mse > 0 and is_squared(r)}
    for line, row in zip(lines, rows, strict=True):
        if (row.dataset, row.model) in squared and not is_squared(row):
            expected = row.bpp + row.lmbda * row.mse
            wrong = f"not bpp + λ·mse = {expected!r}, as in other rows of {row.model}"
            raise cell_error(path, line, "J", row.J, wrong)
