"""The RD table: one row per (dataset, image, model, λ, method).

Every plot, gap, BD-rate and interval is a pure function of such tables. What a
method is, :data:`rdbound.methods.METHODS` says.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rdbound.tables.rows import Cell, read_rows, write_rows

__all__ = ["BLOCK", "COLUMNS", "Row", "check_unique", "read_table", "write_table"]

BLOCK = "block-"
"""What the names of examples begin with that are blocks of vectors, not images."""


@dataclass(frozen=True)
class Row:
    """One point. ``None`` is an empty cell.

    Attributes:
      dataset, image, model, lmbda, method: the key.
      pixels: of the image, padding not counted (dimensions of a vector).
      bits: the rate of the whole image; 8·bytes where bytes were written.
      bytes: written by the range coder, container and all.
      bpp, mse, psnr, ms_ssim: bits per pixel; MSE on 0–255; dB; MS-SSIM of RGB.
      J: bpp + λ·mse.
      J_se: standard error of J where it is a Monte-Carlo mean.
      steps: of refinement.
      samples: noise samples averaged.
      seed: of the run.
    """

    dataset: str
    image: str
    model: str
    lmbda: float
    method: str
    pixels: int
    bits: float
    bytes: int | None
    bpp: float
    mse: float
    psnr: float
    ms_ssim: float | None
    J: float
    J_se: float | None
    steps: int
    samples: int
    seed: int

    @property
    def key(self) -> tuple[str, str, str, float, str]:
        """What identifies the row."""
        return self.dataset, self.image, self.model, self.lmbda, self.method


COLUMNS = tuple(f.name for f in fields(Row))
_TEXT = {"dataset", "image", "model", "method"}
_WHOLE = {"pixels", "bytes", "steps", "samples", "seed"}
_OPTIONAL = {"bytes", "ms_ssim", "J_se"}


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write ``rd.csv``; an existing file is replaced whole or not at all.

    Raises ValueError where two rows have the same key.
    """
    rows = list(rows)
    check_unique(rows, str(path))
    write_rows(path, COLUMNS, [asdict(row) for row in rows])


def read_table(path: Path) -> list[Row]:
    """Read and check an RD table.

    Raises ValueError naming the file, the line and the column of the first
    thing that is not a row of the schema.
    """
    rows = [_row(path, line, record) for line, record in read_rows(path, COLUMNS, "an RD table")]
    check_unique(rows, str(path))
    return rows


def check_unique(rows: Iterable[Row], where: str) -> None:
    """Raise ValueError, naming ``where``, if two rows have the same key."""
    seen: set[tuple] = set()
    for row in rows:
        if row.key in seen:
            raise ValueError(f"{where}: two rows for {row.key}")
        seen.add(row.key)


def _row(path: Path, line: int, record: Mapping[str, str | None]) -> Row:
    values: dict[str, Any] = {}
    for name in COLUMNS:
        text = record[name] or ""
        try:
            values[name] = _value(name, text)
        except ValueError:
            raise ValueError(f"{path}, line {line}: {name} = {text!r} is not a number") from None
    return Row(**values)


def _value(name: str, text: str) -> Cell:
    if name in _TEXT:
        return text
    if text == "" and name in _OPTIONAL:
        return None
    value = int(text) if name in _WHOLE else float(text)
    if not math.isfinite(value) and name != "psnr":
        raise ValueError
    return value
