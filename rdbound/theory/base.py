"""Estimates of a rate–distortion function, and what all estimators of one share.

A source knows nothing of estimators. An estimator takes a source and slopes λ and returns an
:class:`Estimate` for each. Rates are in bits per dimension and distortions are means over
dimensions, so that J = R + λ·D has the same meaning as for images.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Generic, Protocol, TypeVar

import jax
import numpy as np
import optax
from pydantic import Field

from rdbound.sources.base import Point, Source, check_positive, exact_rate, exact_slope
from rdbound.tables.estimates import Answer, EstimatedPoint

__all__ = [
    "Certificate",
    "Estimate",
    "Estimator",
    "Several",
    "check_lmbdas",
    "check_squared",
    "clipped_adam",
    "solve_each",
]

Several = Annotated[int, Field(ge=2)]
"""A number of samples, large enough for a standard error."""

Certificate = TypeVar("Certificate")


class Estimator(Protocol[Certificate]):
    """A method that estimates or bounds R(D); a frozen dataclass of its options."""

    @property
    def name(self) -> str:
        """Return the name of the method in tables."""
        ...

    def solve(
        self, source: Source, lmbdas: Sequence[float], seed: int = 0
    ) -> "list[Estimate[Certificate]]":
        """Estimate R(D) at slopes.

        Args:
          source: the source whose R(D) is estimated.
          lmbdas: slopes λ, in bits per unit of distortion.
          seed: seed of every random draw.

        Returns:
          An estimate for each λ.

        Raises:
          ValueError: if a λ is not positive, or the method does not apply to the source.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate(EstimatedPoint, Generic[Certificate]):
    """An estimated point with the problem that it solves and the result that it was read from.

    Attributes:
      source: the source whose R(D) is estimated.
      method: the estimator, with its options.
      seed: seed of the random draws.
      certificate: what the point was computed from: the particles of Wasserstein gradient
        descent, the reproduction distribution of Blahut–Arimoto with its bounds, a trained
        network, the dual function of a lower bound; None for closed forms.
      trace: the objective after each step, [steps], float32: J of the step's samples in bits
        per dimension; for Blahut–Arimoto the width of the certificate. Empty without steps.
    """

    source: Source
    method: Estimator[Certificate]
    seed: int = 0
    certificate: Certificate = field(repr=False)
    trace: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32), repr=False)

    @property
    def exact(self) -> Point | None:
        """Return the point of the exact R(D) at this slope; None if it is unknown."""
        return self.source.exact(self.lmbda)

    def is_consistent(self, standard_errors: float = 3.0) -> bool | None:
        """Return whether J lies on its side of the exact J.

        Args:
          standard_errors: standard errors of J by which it may lie on the wrong side, beside
            its tolerance and rounding.

        Returns:
          None if the exact value is unknown.
        """
        wrong_by = self.row().wrong_by
        return None if wrong_by is None else wrong_by <= self.slack(standard_errors)

    def row(self, source: str | None = None, method: str | None = None) -> Answer:
        """Return the row of the table of known answers, with the exact values of the source.

        Args:
          source: label of the source; the name of its class by default.
          method: label of the estimator; its name by default.
        """
        exact = self.exact
        known = exact is not None
        return Answer(
            source=source or type(self.source).__name__,
            method=method or self.method.name,
            exact_rate=exact_rate(self.source, self.distortion) if known else None,
            exact_slope=exact_slope(self.source, self.distortion) if known else None,
            exact_J=exact.J(self.lmbda) if exact is not None else None,
            **{f.name: getattr(self, f.name) for f in fields(EstimatedPoint)},
        )


def check_lmbdas(lmbdas: Sequence[float]) -> list[float]:
    """Return slopes as floats.

    Raises:
      ValueError: if there are none, or one is not positive.
    """
    if len(lmbdas) == 0:
        raise ValueError("no λ was given")
    return [check_positive(lmbda) for lmbda in lmbdas]


def check_squared(source: Source, method: str) -> None:
    """Check that a source has squared error and draws samples.

    Args:
      source: the source.
      method: name of the estimator, for the message.

    Raises:
      ValueError: if it does not.
    """
    if not hasattr(source, "sample"):
        raise ValueError(f"{method} learns from samples, and {type(source).__name__} draws none")
    if source.distortion != "squared":
        raise ValueError(
            f"{method} needs squared error, and {type(source).__name__} has "
            f"{source.distortion} distortion: use blahut-arimoto"
        )


def clipped_adam(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Return Adam with a cosine decay to 1 % and gradients clipped to a norm of one.

    Args:
      learning_rate: learning rate of the first step.
      steps: length of the decay.
    """
    schedule = optax.cosine_decay_schedule(learning_rate, steps, 0.01)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))


def solve_each(
    source: Source, lmbdas: Sequence[float], estimate: Callable[[float], Estimate[Certificate]]
) -> list[Estimate[Certificate]]:
    """Estimate R(D) at each slope from samples, and time it.

    Args:
      source: the source that is sampled.
      lmbdas: slopes λ, in bits per unit of distortion.
      estimate: computes the estimate at one slope.

    Returns:
      The estimates. The rounding of samples to float32 is in their tolerance; their status
      reports a rounding above the standard error, and numbers that are not finite.

    Raises:
      ValueError: if a λ is not positive.
    """
    estimates = []
    for lmbda in check_lmbdas(lmbdas):
        start = time.monotonic()
        found = _with_rounding(estimate(lmbda), _mean_squared_rounding(source))
        estimates.append(replace(found, seconds=time.monotonic() - start))
    return estimates


def _mean_squared_rounding(source: Source) -> float:
    """Return an upper limit of the mean squared error of samples rounded to float32."""
    x = np.asarray(source.sample(jax.random.key(0), 1_000), np.float32)
    return float(np.mean(np.spacing(np.abs(x)).astype(np.float64) ** 2)) / 4


def _with_rounding(e: Estimate[Certificate], v: float) -> Estimate[Certificate]:
    """Return the estimate with the tolerance for samples rounded by a mean square of ``v``.

    A channel from the rounded X̃ is one from X, at no more rate, and √D ≤ √D̃ + √v (Minkowski):
    J(X) ≤ J̃ + λ·(2·√(D̃·v) + v), and the same with X and X̃ exchanged.
    """
    tolerance = e.lmbda * (2.0 * math.sqrt(e.distortion * v) + v)
    sentences = [e.status] if e.status else []
    if not math.isfinite(e.J):
        sentences = ["the estimate is not finite: lower the learning rate"]
    if tolerance > e.standard_error:
        sentences.append(f"float32 rounds the samples, J may be off by {tolerance:.2g} bits")
    return replace(e, tolerance=e.tolerance + tolerance, status="; ".join(sentences))
