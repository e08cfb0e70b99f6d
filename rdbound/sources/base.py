"""Sources of vectors, and their exact rate–distortion functions where these are known.

A source draws samples and knows its exact R(D) if there is a closed form. It knows nothing of the
methods that estimate R(D). Rates are in bits per dimension and distortions are means over
dimensions, so that J = R + λ·D has the same meaning as for images.
"""

import os
from typing import Annotated, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar

__all__ = [
    "Point",
    "Scale",
    "Source",
    "Stream",
    "check_memory",
    "check_positive",
    "exact_rate",
    "exact_slope",
]


Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A positive, finite number: a width or a standard deviation."""


class Point(NamedTuple):
    """A point of a rate–distortion function: bits and distortion per dimension."""

    rate: float
    distortion: float

    def J(self, lmbda: float) -> float:
        """Return R + λ·D."""
        return self.rate + lmbda * self.distortion


@runtime_checkable
class Source(Protocol):
    """A memoryless source of vectors [n]."""

    @property
    def dimension(self) -> int:
        """Return n."""
        ...

    @property
    def distortion(self) -> str:
        """Return ``squared`` or ``absolute``, means over dimensions, or ``matrix`` if finite."""
        ...

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw independent vectors, float32 [count, n]."""
        ...

    def exact(self, lmbda: float) -> Point | None:
        """Return the point of the exact R(D) that minimizes R + λ·D; None if it is unknown.

        Raises:
          ValueError: if λ is not positive.
        """
        ...


def check_positive(value: float, what: str = "λ") -> float:
    """Return ``value`` as a float; raise ValueError unless it is positive and finite."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{what} = {value} must be positive")
    return float(value)


def check_memory(needed: float, what: str) -> None:
    """Raise ValueError if ``needed`` bytes are more than half of the machine's memory."""
    if not hasattr(os, "sysconf"):  # Windows
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > total / 2:
        raise ValueError(
            f"{what} needs {needed / 2**30:.1f} GiB of memory, more than half of the "
            f"{total / 2**30:.1f} GiB here: choose fewer"
        )


def exact_rate(source: Source, distortion: float) -> float | None:
    """Return the exact R at a distortion, in bits per dimension; None if it is unknown.

    It is the source's own ``rate`` if it has one. Otherwise, since R is convex, it is
    max over λ of J(λ) − λ·D, with J from :meth:`Source.exact`.
    """
    if hasattr(source, "rate"):
        return source.rate(distortion)
    if source.exact(1.0) is None:
        return None

    def negative(log_lmbda: float) -> float:
        lmbda = float(np.exp(log_lmbda))
        point = source.exact(lmbda)
        assert point is not None, "a point is known at λ = 1"
        return lmbda * distortion - point.J(lmbda)

    options = {"xatol": 1e-10}
    found = minimize_scalar(negative, bounds=(-15.0, 15.0), method="bounded", options=options)
    # At D ≥ D_max the supremum is 0, at λ → 0.
    return max(0.0, -float(found.fun))


def exact_slope(source: Source, distortion: float) -> float | None:
    """Return −dR/dD of the exact R(D), in bits per unit of distortion; None if it is unknown."""
    low, high = (exact_rate(source, distortion * (1 + h)) for h in (-1e-3, 1e-3))
    if low is None or high is None or not (np.isfinite(low) and distortion > 0):
        return None
    return max(0.0, (low - high) / (2e-3 * distortion))


class Stream:
    """An endless stream of training batches [batch, n], whose state is the number drawn.

    Args:
      source: the source of the vectors.
      batch: vectors per batch.
      seed: seed of the stream.
    """

    def __init__(self, source: Source, batch: int, seed: int):
        self._drawn = 0
        self._key = jax.random.key(seed)
        self._draw = jax.jit(lambda key: source.sample(key, batch))

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> jax.Array:
        self._drawn += 1
        return self._draw(jax.random.fold_in(self._key, self._drawn))

    def get_state(self) -> dict[str, int]:
        """Return the state for a checkpoint, as JSON values."""
        return {"drawn": self._drawn}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue from a state of :meth:`get_state`."""
        self._drawn = int(state["drawn"])
