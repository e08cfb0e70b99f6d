"""The table of known answers: estimates of R(D) beside the truth, one row each.

Written by the stage ``answers``, read by figures; like the RD table, nothing
downstream opens a source or a method.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rdbound.tables.cells import CellReader, number, optional, read_cells, text
from rdbound.tables.csv_records import read_rows, write_rows

__all__ = ["SIDES", "Answer", "read_answers", "write_answers"]

SIDES = ("exact", "upper", "lower", "estimate")
"""Of R(D): what an answer is, or bounds it from."""

_LATER = ("rate_error", "distortion_error")
"""Columns that older tables lack."""


@dataclass(frozen=True)
class Answer:
    """One estimate. All rates are in bits per dimension; ``None`` is an empty cell.

    Attributes:
      source, method, lmbda: the key.
      side: ``exact``, ``upper``, ``lower`` or ``estimate``, as of an
        :class:`rdbound.theory.base.Estimate`.
      rate, distortion: the point; of a lower bound, one of its supporting line.
      standard_error: of J = rate + λ·distortion, from sampling.
      tolerance: what else J may be off by: a certificate, in bits.
      exact_rate: the exact R at this distortion.
      exact_slope: −dR/dD of the exact R(D) there: λ, where J is least.
      exact_J: the least of R(D) + λ·D.
      seconds: of work.
      status: a sentence where something went wrong.
      rate_error, distortion_error: standard errors of rate and distortion by
        themselves, of the samples that gave ``standard_error``.
    """

    source: str
    method: str
    side: str
    lmbda: float
    rate: float
    distortion: float
    standard_error: float
    tolerance: float
    exact_rate: float | None
    exact_slope: float | None
    exact_J: float | None
    seconds: float
    status: str
    rate_error: float | None = None
    distortion_error: float | None = None

    @property
    def J(self) -> float:
        """R + λ·D."""
        return self.rate + self.lmbda * self.distortion

    @property
    def error(self) -> float | None:
        """J − exact J in bits; None where the truth is not known.

        Never less than R − R(D) for an upper bound, and the same to first order
        where its D is near that of the exact point.
        """
        return None if self.exact_J is None else self.J - self.exact_J

    @property
    def below(self) -> float | None:
        """R(D) − R in bits at this D: how far a point lies below the curve; None if unknown."""
        return None if self.exact_rate is None else self.exact_rate - self.rate

    @property
    def standard_errors(self) -> float | None:
        """``error`` in its own standard errors; None without either."""
        error = self.error
        return None if error is None or not self.standard_error else error / self.standard_error


_FIELDS = tuple(f.name for f in fields(Answer))
_COLUMNS = (*_FIELDS, "error", "standard_errors")


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write a table, with the derived columns; an existing file is replaced whole."""
    records = [
        asdict(a) | {"error": a.error, "standard_errors": a.standard_errors} for a in answers
    ]
    write_rows(path, _COLUMNS, records)


def read_answers(path: Path) -> list[Answer]:
    """Read a table; what older ones call ``kind`` is the ``side``.

    Numbers of a method that failed may be NaN or infinite. Raises ValueError where
    there is no file, naming the column that it lacks, or naming the file, the line
    and the column of what is not a row.
    """
    needed = [name for name in _FIELDS if name not in _LATER]
    found = read_rows(path, needed, "a table of answers", former={"kind": "side"})
    nothing = dict.fromkeys(_LATER, "")
    return [Answer(**read_cells(path, line, nothing | record, _READERS)) for line, record in found]


def _side(cell: str) -> str:
    if cell not in SIDES:
        raise ValueError(f"is none of {', '.join(SIDES)}")
    return cell


_READERS: dict[str, CellReader] = {
    "source": text,
    "method": text,
    "side": _side,
    "lmbda": number(above=0.0),
    "rate": number(finite=False),
    "distortion": number(finite=False),
    "standard_error": number(least=0.0, finite=False),
    "tolerance": number(least=0.0, finite=False),
    "exact_rate": optional(number(finite=False)),
    "exact_slope": optional(number(finite=False)),
    "exact_J": optional(number(finite=False)),
    "seconds": number(least=0.0),
    "status": str,
    "rate_error": optional(number(least=0.0, finite=False)),
    "distortion_error": optional(number(least=0.0, finite=False)),
}
