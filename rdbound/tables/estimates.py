"""The table of known answers: estimates of R(D) beside the exact values, one row each.

Rates are in bits per dimension and distortions are means over dimensions. Rows are written by
:mod:`rdbound.runs.known_answers` and read by analysis and reports, which open neither a source
nor an estimator.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from rdbound.tables.csv_records import Maybe, NonNegative, Positive, Text, read_records, write_rows

__all__ = ["SIDES", "Answer", "EstimatedPoint", "Side", "read_answers", "write_answers"]

Side = Literal["exact", "upper", "lower", "estimate"]
"""Relation of a point to R(D): exact, an upper bound, a lower bound, or none of these."""

SIDES: tuple[Side, ...] = get_args(Side)

ROUNDING = 1e-6
"""Relative error of a rate, or of λ·D, that was computed in float32."""

Error = Annotated[float, Field(ge=0)]
"""A standard error; NaN or infinite for an estimator that failed."""

_COLUMNS = (
    *("source", "method", "side", "lmbda", "rate", "distortion", "standard_error", "tolerance"),
    *("exact_rate", "exact_slope", "exact_J", "seconds", "status", "rate_error"),
    *("distortion_error", "error", "standard_errors"),
)


@dataclass(frozen=True, kw_only=True)
class EstimatedPoint:
    """A point (R, D) at a slope λ, its relation to R(D) and its errors.

    Attributes:
      side: relation of the point to R(D), one of :data:`SIDES`.
      lmbda: the slope λ, in bits per unit of distortion.
      rate: R in bits per dimension.
      distortion: D per dimension. The point of a lower bound lies on its supporting line
        R + λ·D = J, and may lie below R(D).
      standard_error: standard error of J = R + λ·D; 0 if nothing was sampled.
      tolerance: bits by which J may be off beyond its standard error: the width of a
        certificate, and the rounding of samples.
      seconds: computing time.
      status: a sentence about what went wrong; empty if nothing did.
      rate_error: standard error of R; None if unknown.
      distortion_error: standard error of D; None if unknown.
    """

    side: Side
    lmbda: Positive
    rate: float
    distortion: float
    standard_error: Error = 0.0
    tolerance: Error = 0.0
    seconds: NonNegative = 0.0
    status: str = ""
    rate_error: Maybe[Error] = None
    distortion_error: Maybe[Error] = None

    @property
    def J(self) -> float:
        """Return R + λ·D."""
        return self.rate + self.lmbda * self.distortion

    @property
    def is_upper_bound(self) -> bool:
        """Return whether J is the exact value or an upper bound."""
        return self.side in ("upper", "exact")

    @property
    def is_lower_bound(self) -> bool:
        """Return whether J is the exact value or a lower bound."""
        return self.side in ("lower", "exact")

    def rounding(self, slope: float) -> float:
        """Return the bits by which float32 arithmetic may change R + ``slope``·D."""
        return ROUNDING * (abs(self.rate) + slope * abs(self.distortion))

    def slack(self, standard_errors: float) -> float:
        """Return the bits by which J may be off, at so many standard errors."""
        noise = standard_errors * self.standard_error
        return noise + self.tolerance + self.rounding(self.lmbda)


@dataclass(frozen=True, kw_only=True)
class Answer(EstimatedPoint):
    """A row of the table: an estimated point beside the exact values of its source.

    Attributes:
      source: label of the source; with ``method`` and ``lmbda`` the key of the row.
      method: label of the estimator.
      exact_rate: the exact R at this distortion; None if unknown.
      exact_slope: −dR/dD of the exact R(D) at this distortion; equal to λ where J is least.
      exact_J: the minimum of R(D) + λ·D; None if unknown.
    """

    source: Text
    method: Text
    # These columns are in every table; only the errors of rate and distortion came later.
    standard_error: Error
    tolerance: Error
    seconds: NonNegative
    status: str
    exact_rate: Maybe[float]
    exact_slope: Maybe[float]
    exact_J: Maybe[float]

    @property
    def error(self) -> float | None:
        """Return J − exact J in bits; None if the exact value is unknown.

        For an upper bound the error is at least R − R(D), and equal to it to first order where
        D is close to that of the exact point.
        """
        return None if self.exact_J is None else self.J - self.exact_J

    @property
    def below(self) -> float | None:
        """Return R(D) − R in bits at this distortion; None if R(D) is unknown."""
        return None if self.exact_rate is None else self.exact_rate - self.rate

    @property
    def wrong_by(self) -> float | None:
        """Return the bits by which J lies on the wrong side of the exact J.

        Negative on the right side, 0 for a point that is no bound; None if the exact value is
        unknown.
        """
        if self.error is None:
            return None
        distance = {"upper": -self.error, "lower": self.error, "exact": abs(self.error)}
        return distance.get(self.side, 0.0)

    @property
    def standard_errors(self) -> float | None:
        """Return the error in J in units of its standard error; None without either."""
        error = self.error
        return None if error is None or not self.standard_error else error / self.standard_error


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write a table with the derived columns ``error`` and ``standard_errors``.

    Args:
      path: CSV file; an existing file is replaced whole.
      answers: the rows.
    """
    rows = ({name: getattr(answer, name) for name in _COLUMNS} for answer in answers)
    write_rows(path, _COLUMNS, rows)


def read_answers(path: Path) -> list[Answer]:
    """Read a table; the column ``side`` may have its former name ``kind``.

    Args:
      path: CSV file.

    Returns:
      The rows; ``rate_error`` and ``distortion_error`` are None in tables without these columns.

    Raises:
      ValueError: if the file or a column is missing, or a cell is invalid; the message names
        the file, the line and the column.
    """
    rows = read_records(path, Answer, "a table of answers", former={"kind": "side"})
    return [answer for _, answer in rows]
