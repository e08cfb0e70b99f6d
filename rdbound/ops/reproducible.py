"""Functions whose float64 values are the same on every machine, to the last bit.

Encoder and decoder may compute probability tables separately only if these do not depend on
a mathematics library: results of those differ in the last digit between processors. IEEE 754
prescribes the result of + − × ÷, of rounding and of scaling by powers of two, and NumPy
does one of these at a time; these functions use nothing else.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import ArrayLike, Float64

__all__ = ["portable_exp", "portable_ndtr"]

_Values: TypeAlias = np.ndarray | np.float64  # a scalar out of arithmetic on arrays [()]

_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # of 32 and more bits
_LOG2_E = 1.4426950408889634
_ROOT_2PI = 2.5066282746310002
_NEAR = 3.0  # the series to here, the continued fraction beyond
_TERMS, _FRACTIONS = 48, 60  # measured: more change nothing above 1e-15
_FAR = 38.0  # where the probability leaves the normal numbers


def portable_exp(x: ArrayLike) -> Float64[np.ndarray, "..."]:
    """Return e^x for |x| ≤ 700, to 2 units in the last place.

    e^x = 2^k·e^r with |r| ≤ ½·ln 2, and the series of e^r.
    """
    x = np.asarray(x, np.float64)
    k = np.rint(x * _LOG2_E)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    value = np.ones_like(r)
    for n in range(14, 0, -1):
        value = 1.0 + value * r / n
    return np.asarray(np.ldexp(value, k.astype(np.int32)))


def portable_ndtr(z: ArrayLike) -> Float64[np.ndarray, "..."]:
    """Return Φ(z), the normal distribution function, to a relative error of 1e-12.

    Near zero ½ + φ(z)·(z + z³/3 + z⁵/(3·5) + …) (Marsaglia 2004), beyond three the continued
    fraction Φ(−z) = φ(z)/(z + 1/(z + 2/(z + …))). Below −38 zero.
    """
    z = np.asarray(z, np.float64)
    a = np.minimum(np.abs(z), _FAR)
    density = portable_exp(-0.5 * a * a) / _ROOT_2PI
    tail = np.where(a < _NEAR, 0.5 - density * _series(a), density * _fraction(a))
    tail = np.where(np.abs(z) > _FAR, 0.0, tail)
    return np.where(z > 0, 1.0 - tail, tail)


def _series(a: _Values) -> _Values:
    a = np.minimum(a, _NEAR)
    square, value = a * a, np.ones_like(a)
    for n in range(2 * _TERMS + 1, 1, -2):
        value = 1.0 + value * square / n
    return a * value


def _fraction(a: _Values) -> _Values:
    a = np.maximum(a, _NEAR)
    value = a
    for n in range(_FRACTIONS, 0, -1):
        value = a + n / value
    return 1.0 / value
