import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import ndtr

from rdbound.ops.reproducible import portable_exp, portable_ndtr


def test_exp_is_that_of_the_library_to_two_units_in_the_last_place():
    x = np.linspace(-700, 700, 20_001)
    np.testing.assert_allclose(portable_exp(x), np.exp(x), rtol=2 * 2.0**-52)
    assert portable_exp(0.0) == 1.0


def test_ndtr_is_that_of_scipy_also_in_the_tail():
    z = np.concatenate([np.linspace(-37, 9, 20_001), [-3.0, -1e-12, 0.0, 3.0]])
    np.testing.assert_allclose(portable_ndtr(z), ndtr(z), rtol=1e-12)
    assert portable_ndtr(0.0) == 0.5


def test_ndtr_beyond_all_numbers_is_zero_or_one():
    np.testing.assert_array_equal(portable_ndtr(np.array([-1e9, -38.1, 38.1, 1e9])), [0, 0, 1, 1])


@pytest.mark.parametrize("x", [-0.34, -20.7, -300.1, 2.5])
def test_exp_is_a_known_sequence_of_prescribed_operations(x):
    """Every operation done as an exact fraction and rounded once: what IEEE 754 prescribes."""

    def rounded(value: Fraction) -> Fraction:
        return Fraction(value.numerator / value.denominator)  # Python rounds it correctly

    exact = lambda value: Fraction(value)  # noqa: E731
    k = round(rounded(exact(x) * exact(1.4426950408889634)))
    high, low = exact(0.693147180369123816490), exact(1.90821492927058770002e-10)
    r = rounded(rounded(exact(x) - rounded(k * high)) - rounded(k * low))
    value = Fraction(1)
    for n in range(14, 0, -1):
        value = rounded(1 + rounded(rounded(value * r) / n))
    assert portable_exp(x) == math.ldexp(float(value), k)
