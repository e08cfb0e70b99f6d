"""What a method returns: estimates that know which side of R(D) they are on.

A source knows nothing of methods; a method takes a source and a grid of λ and
returns an :class:`Estimate` for each. All numbers are per dimension, as
everywhere: R in bits, D a mean over dimensions, J = R + λ·D.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Protocol

import optax
from pydantic import Field

from rdbound.sources.base import Point, Source, check_positive

__all__ = [
    "Estimate",
    "Estimator",
    "Several",
    "Side",
    "check_lmbdas",
    "check_squared",
    "clipped_adam",
    "each",
]

Side = Literal["exact", "upper", "lower", "estimate"]

Several = Annotated[int, Field(ge=2)]
"""A number of samples that a standard error can be made of."""


@dataclass(frozen=True)
class Estimate:
    """One point of a method.

    Attributes:
      method: its name.
      side: ``exact``, ``upper`` bound, ``lower`` bound, or an ``estimate`` of
        neither side.
      lmbda: λ, in bits per unit of distortion.
      rate, distortion: the point. For a lower bound, a point of the supporting
        line R + λ·D = J, which lies below R(D).
      standard_error: of J, 0 where nothing was sampled.
      tolerance: how far J may be off for a reason that is no noise, the
        certificate, in bits.
      seconds: of the method's work for this point.
      status: a sentence where something went wrong; else empty.
    """

    method: str
    side: Side
    lmbda: float
    rate: float
    distortion: float
    standard_error: float = 0.0
    tolerance: float = 0.0
    seconds: float = 0.0
    status: str = ""

    @property
    def J(self) -> float:
        """R + λ·D."""
        return Point(self.rate, self.distortion).J(self.lmbda)


class Estimator(Protocol):
    """A way to an estimate. Implementations are frozen dataclasses of their options."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate]:
        """An estimate for each λ; ValueError in one line for what it cannot do."""
        ...


def check_lmbdas(lmbdas: Sequence[float]) -> list[float]:
    """As floats; raises ValueError unless there are some and all are positive."""
    if len(lmbdas) == 0:
        raise ValueError("no λ was given")
    return [check_positive(lmbda) for lmbda in lmbdas]


def check_squared(source: Source, method: str) -> None:
    """Raise ValueError unless the source has squared error and can be sampled."""
    if not hasattr(source, "sample"):
        raise ValueError(f"{method} learns from samples, and {type(source).__name__} draws none")
    if source.distortion != "squared":
        raise ValueError(
            f"{method} needs squared error, and {type(source).__name__} has "
            f"{source.distortion} distortion: use blahut-arimoto"
        )


def clipped_adam(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam with a cosine down to a hundredth, on gradients of norm at most one."""
    schedule = optax.cosine_decay_schedule(learning_rate, steps, 0.01)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))


def each(lmbdas: Sequence[float], estimate: Callable[[float], Estimate]) -> list[Estimate]:
    """``estimate(λ)`` for every λ, each with the time it took; raises ValueError unless λ > 0."""
    found = []
    for lmbda in check_lmbdas(lmbdas):
        start = time.monotonic()
        found.append(replace(estimate(lmbda), seconds=time.monotonic() - start))
    return found
