"""Finite sources: an alphabet, its probabilities and a distortion matrix."""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, validate_call

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, check_memory, check_positive

__all__ = ["Finite", "bernoulli", "check_probabilities", "uniform_finite"]


def check_probabilities(values: ArrayLike, what: str = "probabilities") -> np.ndarray:
    """Return ``values`` as float64 [k]; raise ValueError unless they are a distribution."""
    p = np.asarray(values, np.float64)
    if p.ndim != 1 or len(p) == 0 or not (p >= 0).all() or not abs(p.sum() - 1) < 1e-6:
        raise ValueError(f"{what} must be numbers ≥ 0 that sum to one; these sum to {p.sum():.6g}")
    return p / p.sum()


class Finite:
    """Symbols 0 … k−1 with a matrix of distortions.

    Args:
      probabilities: probabilities of the symbols, [k].
      matrix: distortions d(x, y) ≥ 0 between symbols and reproductions, [k, l]; Hamming
        distortion (1 unless equal) by default.

    Raises:
      ValueError: if the probabilities are no distribution, the matrix is invalid, or it is too
        large for memory.
    """

    dimension = 1
    distortion = "matrix"

    def __init__(self, probabilities: ArrayLike, matrix: ArrayLike | None = None):
        self.probabilities = check_probabilities(probabilities)
        k = len(self.probabilities)
        if matrix is None:
            check_memory(16.0 * k**2, f"a Hamming matrix of {k} × {k}")
        self.matrix = 1.0 - np.eye(k) if matrix is None else np.asarray(matrix, np.float64)
        if self.matrix.ndim != 2 or len(self.matrix) != k or self.matrix.shape[1] == 0:
            raise ValueError(
                f"the distortion matrix has the shape {self.matrix.shape}, expected "
                f"({k}, number of reproductions): a row for each of the {k} probabilities"
            )
        if not (np.isfinite(self.matrix).all() and (self.matrix >= 0).all()):
            raise ValueError("distortions must be finite and not negative")
        self._hamming = np.array_equal(self.matrix, 1.0 - np.eye(k))

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw symbols, float32 [count, 1]."""
        logits = jnp.log(jnp.asarray(self.probabilities, jnp.float32))
        return jax.random.categorical(key, logits, shape=(count, 1)).astype(jnp.float32)

    @property
    def entropy(self) -> float:
        """Return H(X) in bits."""
        p = self.probabilities[self.probabilities > 0]
        return float(-(p * np.log2(p)).sum())

    def exact(self, lmbda: float) -> Point | None:
        """Return the exact point for Hamming distortion (Erokhin 1958; Berger 1971), else None.

        With t = 2^−λ and A_x = t + (1 − t)·q_x, the Kuhn–Tucker conditions make
        p_y / A_y the same number c for every symbol that is reproduced, and those
        are the m likeliest, the ones with p_y > c·t. Raises ValueError unless λ > 0.
        """
        check_positive(lmbda)
        if not self._hamming:
            return None
        p = np.sort(self.probabilities)[::-1]
        t = 2.0 ** -float(lmbda)
        counts = np.arange(1, len(p) + 1)
        rest = -np.expm1(-lmbda * LN2)  # 1 − t, without cancellation at small λ
        c = np.cumsum(p) / (counts * t + rest)
        m = counts[p > c * t].max(initial=1)
        if m == 1:  # always the likeliest symbol
            return Point(0.0, float(p[1:].sum()))
        a = np.where(counts <= m, p / c[m - 1], t)
        q = (a - t) / rest
        wrong = float((p * (1.0 - q / a)).sum())
        used = p > 0
        rate = -(p[used] * np.log2(a[used])).sum() - lmbda * wrong
        return Point(max(float(rate), 0.0), wrong)


@validate_call
def bernoulli(p: Annotated[float, Field(gt=0, lt=1)]) -> Finite:
    """Return a binary source with P(1) = p and Hamming distortion.

    R(D) = h(p) − h(D) (Cover & Thomas 2006, thm. 10.3.1). Raises ValueError unless 0 < p < 1.
    """
    return Finite([1 - p, p])


@validate_call
def uniform_finite(k: Annotated[int, Field(ge=2)]) -> Finite:
    """Return a source of k equally likely symbols with Hamming distortion.

    R(D) = log₂ k − h(D) − D·log₂(k − 1) (Cover & Thomas 2006, problem 10.5).
    Raises ValueError for fewer than two symbols, or too many for memory.
    """
    return Finite(np.full(k, 1.0 / k))
