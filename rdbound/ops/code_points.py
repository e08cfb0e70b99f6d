"""Code points of variational Bayesian quantization: choice, numbering and bits.

A latent is conveyed by a dyadic number ξ̂ = 0.b₁b₂…b_r in binary, r bits with the last one set,
and decoded to F⁻¹(ξ̂), where F is the distribution function of a prior that the decoder knows.
For each latent the point is taken that minimizes

    (F⁻¹(ξ̂) − μ)² + 2·penalty·σ²·r

(Yang, Bamler & Mandt 2020, arXiv 2002.08158, eq. 7 and algorithm 1). An entropy coder does not
write r bits: with the lengths of its codes in place of r the choice is that of
entropy-constrained quantization (Chou, Lookabaugh & Gray 1989). Divided by 2σ²·ln 2 the
first term is the loss of log₂-density under the posterior, so that penalty = ln 2 weighs both
as J does.

A table counts the points of up to five bits one by one, those of six to ten in 32 equal
intervals of (0, 1), within which a point costs the same, and together those of more, which
are escaped. Numbers are mirrored at ½, which is 0:

    1 … 15    bits 2 … 5, each point by itself
    16 … 95   bits 6 … 10, 16 intervals each
    96 …      the others, by bits and then by the distance from the edge

The functions serve the coder, in NumPy and float64, and the channel, in JAX: both choose the
same points and count the same bits.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

import jax
import numpy as np

__all__ = [
    "HALF",
    "MOST_BITS",
    "REACH",
    "SHARED_BITS",
    "SINGLE_BITS",
    "SYMBOLS",
    "CodePoints",
    "Lengths",
    "Quantile",
    "code_bits",
    "nearest_points",
    "numbers_of",
    "offered_points",
    "symbols_of",
]

MOST_BITS = 30
"""Most bits of a code point: the outermost points then stand for quantiles of 10⁻⁹."""

SINGLE_BITS, SHARED_BITS = 5, 10
"""Bits up to which points are counted one by one, and in intervals."""

HALF = 2 ** (SINGLE_BITS - 1)
"""Intervals on one side of ½."""

REACH = HALF - 1 + (SHARED_BITS - SINGLE_BITS) * HALF
"""The largest number that has a frequency of its own, 95."""

SYMBOLS = 2 * REACH + 2
"""Symbols of a table, the escape symbol last."""

_ESCAPE = 6  # bits of sign and length that follow an escape symbol

_Array: TypeAlias = np.ndarray | jax.Array
_Floats = TypeVar("_Floats", np.ndarray, jax.Array)

Quantile = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(points in (0, 1) [m], indexes of their latents [m]) → F⁻¹, float64 [m]."""

Lengths = Callable[["CodePoints", np.ndarray], np.ndarray]
"""(points [m], indexes of their latents [m]) → bits of their codes, float64 [m]."""


class CodePoints(NamedTuple):
    """Code points k/2^r.

    Attributes:
      bits: r, from 1 to :data:`MOST_BITS`, integers of any shape.
      numerator: k, odd, integers of the same shape.
    """

    bits: _Array
    numerator: _Array

    @property
    def value(self) -> np.ndarray:
        """ξ̂, exact, float64."""
        bits = np.asarray(self.bits, np.int32)
        return np.ldexp(np.asarray(self.numerator, np.float64), -bits)


def offered_points(xi: _Floats, whole: jax.Array | float) -> _Floats:
    """Return the numerators of the points k/``whole`` with odd k that algorithm 1 tries.

    Of the two multiples of 1/``whole`` that enclose ξ† one has an odd numerator; the other
    was tried with fewer bits.

    Args:
      xi: ξ† = F(μ), floats from 0 to 1.
      whole: 2^r, for the points of r bits.

    Returns:
      Odd integers below ``whole``, as floats of the type of ``xi``.
    """
    xp = xi.__array_namespace__()
    half = 0.5 * whole
    return 2.0 * xp.minimum(xp.floor(xi * half), half - 1.0) + 1.0  # ξ† may round to 1


def nearest_points(
    xi: np.ndarray,
    mu: np.ndarray,
    sigma: np.ndarray,
    penalty: float,
    quantile: Quantile,
    lengths: Lengths | None = None,
) -> CodePoints:
    """Return the best code points of many latents at once (algorithm 1).

    A latent is done when the bits of a longer point alone would cost more than its best point.

    Args:
      xi: ξ† = F(μ), float64 [n].
      mu: means of the posterior, float64 [n].
      sigma: standard deviations of the posterior, float64 [n].
      penalty: nats of the posterior's log-density that a bit must save.
      quantile: F⁻¹.
      lengths: lengths of the codes, in place of the points' own bits.

    Returns:
      Points [n], int64.

    Raises:
      ValueError: if a mean or standard deviation is not finite, or the penalty is not positive.
    """
    if not penalty > 0:
        raise ValueError(f"penalty = {penalty:g}; expected more than 0 nats a bit")
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all() and np.isfinite(xi).all()):
        raise ValueError("a latent is not finite: the model cannot code this")
    a_bit = 2.0 * penalty * sigma**2
    best = np.full(len(mu), np.inf)
    r, numerator = np.ones(len(mu), np.int64), np.ones(len(mu), np.int64)
    active = np.arange(len(mu))
    for bits in range(1, MOST_BITS + 1):
        k = offered_points(xi[active], 2.0**bits)
        error = quantile(k / 2.0**bits, active) - mu[active]
        points = CodePoints(np.full(len(k), bits), k.astype(np.int64))
        cost = bits if lengths is None else lengths(points, active)
        loss = error**2 + a_bit[active] * cost
        better = loss < best[active]
        taken = active[better]
        best[taken], r[taken], numerator[taken] = loss[better], bits, k[better]
        # All points with a frequency of their own are tried: a longer one may have a shorter code.
        if lengths is None or bits >= SHARED_BITS:
            active = active[a_bit[active] * (bits + 1) < best[active]]
        if not len(active):
            break
    return CodePoints(r, numerator)


def numbers_of(points: CodePoints) -> tuple[_Array, _Array]:
    """Return the number of each point, and its index within its interval."""
    bits, whole = points.bits, 1 << points.bits
    xp = bits.__array_namespace__()
    side = xp.sign(2 * points.numerator - whole)
    a = xp.minimum(points.numerator, whole - points.numerator)
    single = (1 << xp.maximum(bits - 2, 0)) + (a - 1) // 2
    width = xp.maximum(bits - SINGLE_BITS, 0)
    shared = HALF * (bits - SINGLE_BITS) + (a >> width)
    deep = REACH + 1 + (single - 2 ** (SHARED_BITS - 1))
    number = xp.where(bits <= SINGLE_BITS, single, xp.where(bits <= SHARED_BITS, shared, deep))
    within = (a & ((1 << width) - 1)) >> 1
    return side * number, xp.where(bits <= SHARED_BITS, within, 0)


def symbols_of(points: CodePoints) -> _Array:
    """Return the index of each point's frequency in a table of :data:`SYMBOLS` frequencies."""
    number, _ = numbers_of(points)
    xp = number.__array_namespace__()
    return xp.where(xp.abs(number) > REACH, SYMBOLS - 1, number + REACH)


def code_bits(points: CodePoints, costs: _Array, rows: _Array) -> _Array:
    """Return the bits that the range coder takes for each point.

    Args:
      points: code points.
      costs: −log₂ of the frequencies of tables, floats [tables, :data:`SYMBOLS`].
      rows: index of each point's table, integers of the points' shape.

    Returns:
      Bits of the symbols, and those of the place in an interval or after an escape symbol.
    """
    number, _ = numbers_of(points)
    xp = number.__array_namespace__()
    beyond = xp.abs(number) - REACH
    within = xp.clip(points.bits - SINGLE_BITS - 1, 0, SHARED_BITS - SINGLE_BITS - 1)
    deep = _ESCAPE + xp.frexp(xp.maximum(beyond, 1).astype(costs.dtype))[1]
    return costs[rows, symbols_of(points)] + xp.where(beyond > 0, deep, within).astype(costs.dtype)
