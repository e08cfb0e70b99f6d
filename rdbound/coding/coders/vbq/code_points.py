"""Short code points near a posterior's mean: variational Bayesian quantization's choice.

A latent is conveyed by a dyadic number ξ̂ = 0.b₁b₂…b_r in binary, r bits with the last one set,
and read as F⁻¹(ξ̂), where F is the distribution function of a prior that the decoder knows. What
the posterior leaves open needs few bits: for each latent the point is taken that minimizes

    (F⁻¹(ξ̂) − μ)² + 2·penalty·σ²·r

(Yang, Bamler & Mandt 2020, arXiv 2002.08158, eq. 7 and algorithm 1). An entropy coder does not
write r bits: with the lengths of its codes in place of r the choice is that of
entropy-constrained quantization (Chou, Lookabaugh & Gray 1989). Divided by 2σ²·ln 2 the
first term is what the conveyed value costs in bits of the posterior's density, so that
penalty = ln 2 weighs both as J does.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["MOST_BITS", "CodePoints", "Lengths", "Quantile", "nearest_points"]

MOST_BITS = 30
"""Of a code point: the outermost then stand for quantiles of 10⁻⁹."""

Quantile = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(points in (0, 1) [m], which of the latents each is of [m]) → F⁻¹, float64 [m]."""


Lengths = Callable[["CodePoints", np.ndarray], np.ndarray]
"""(points [m], which of the latents each is of [m]) → bits of their codes, float64 [m]."""

_COUNTED = 10  # bits up to which all points are tried where their codes' lengths are known


class CodePoints(NamedTuple):
    """Code points k/2^r.

    Attributes:
      bits: r, from 1 to :data:`MOST_BITS`, int64 [n].
      numerator: k, odd, int64 [n].
    """

    bits: np.ndarray
    numerator: np.ndarray

    @property
    def value(self) -> np.ndarray:
        """ξ̂, exact, float64 [n]."""
        return np.ldexp(self.numerator.astype(np.float64), -self.bits.astype(np.int32))


def nearest_points(
    xi: np.ndarray,
    mu: np.ndarray,
    sigma: np.ndarray,
    penalty: float,
    quantile: Quantile,
    lengths: Lengths | None = None,
) -> CodePoints:
    """Algorithm 1, for all latents at once: each bit more offers the two points that enclose ξ†.

    A latent is done when the bits alone would cost more than what it has.

    Args:
      xi: ξ† = F(μ), float64 [n].
      mu: the posterior's means, float64 [n].
      sigma: its scales, float64 [n].
      penalty: nats of the posterior's log-density that a bit must save.
      quantile: F⁻¹.
      lengths: of codes, in place of the points' bits.

    Raises ValueError for a mean or scale that is not finite, and a penalty that is not positive.
    """
    if not penalty > 0:
        raise ValueError(f"penalty = {penalty:g}; expected more than 0 nats a bit")
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all() and np.isfinite(xi).all()):
        raise ValueError("a latent is not finite: the model cannot code this")
    a_bit = 2.0 * penalty * sigma**2
    best = np.full(len(mu), np.inf)
    found = CodePoints(np.ones(len(mu), np.int64), np.ones(len(mu), np.int64))
    active = np.arange(len(mu))
    for bits in range(1, MOST_BITS + 1):
        below = np.floor(np.ldexp(xi[active], bits)).astype(np.int64)
        below = np.minimum(below, (1 << bits) - 1)  # where ξ† is 1 to the last digit
        for numerator in (below, below + 1):
            # Of an even numerator the shorter form was there before.
            new = (numerator % 2 == 1) & (numerator < 1 << bits)
            which, k = active[new], numerator[new]
            error = quantile(np.ldexp(k.astype(np.float64), -bits), which) - mu[which]
            cost = bits if lengths is None else lengths(CodePoints(np.full(len(k), bits), k), which)
            loss = error**2 + a_bit[which] * cost
            better = loss < best[which]
            taken = which[better]
            best[taken], found.bits[taken] = loss[better], bits
            found.numerator[taken] = k[better]
        if lengths is None or bits >= _COUNTED:
            active = active[a_bit[active] * (bits + 1) < best[active]]
        if not len(active):
            break
    return found
