"""The table of known answers: estimates of R(D) beside the truth, one row each.

Written by the stage ``answers``, read by figures; like the RD table, nothing
downstream opens a source or a method.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rdbound.tables.csv_records import (
    Maybe,
    NonNegative,
    Positive,
    Text,
    read_records,
    write_records,
)

__all__ = ["Answer", "read_answers", "write_answers"]

_Error = Annotated[float, Field(ge=0)]  # a method that failed has NaN or infinity


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

    source: Text
    method: Text
    side: Literal["exact", "upper", "lower", "estimate"]
    lmbda: Positive
    rate: float
    distortion: float
    standard_error: _Error
    tolerance: _Error
    exact_rate: Maybe[float]
    exact_slope: Maybe[float]
    exact_J: Maybe[float]
    seconds: NonNegative
    status: str
    # Older tables lack these two.
    rate_error: Maybe[_Error] = None
    distortion_error: Maybe[_Error] = None

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


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write a table, with the derived columns; an existing file is replaced whole."""
    write_records(path, Answer, answers, derived=("error", "standard_errors"))


def read_answers(path: Path) -> list[Answer]:
    """Read a table; the column ``side`` of older ones is called ``kind``.

    Raises:
      ValueError: naming the file, the line and the column, as
        :func:`rdbound.tables.csv_records.read_records`.
    """
    rows = read_records(path, Answer, "a table of answers", former={"kind": "side"})
    return [answer for _, answer in rows]
