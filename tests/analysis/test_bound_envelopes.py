import numpy as np
import pytest

from rdbound.analysis.bound_envelopes import exact_curve, highest_line, lower_hull
from tests.answers import make_answer


def test_the_exact_curve_of_a_gaussian_is_met_between_the_answers():
    """R = ½·log₂(1/D), −dR/dD = 1/(2·ln 2·D)."""
    answers = [
        make_answer(distortion=d, exact_rate=-0.5 * np.log2(d), exact_slope=1 / (2 * np.log(2) * d))
        for d in (0.5, 0.01, 0.1)
    ]
    d, rate = exact_curve(answers)
    assert (d[0], d[-1]) == (pytest.approx(0.01), pytest.approx(0.5))
    np.testing.assert_allclose(rate, -0.5 * np.log2(d), atol=1e-12)


def test_one_distortion_is_no_curve():
    twice = [make_answer(), make_answer(method="n"), make_answer(distortion=2.0, exact_slope=None)]
    d, rate = exact_curve(twice)
    assert len(d) == len(rate) == 0


def test_of_lower_bounds_the_highest_line_counts():
    lower = [make_answer(lmbda=2.0, rate=1.0, distortion=0.5), make_answer(rate=0.5)]
    found = highest_line(lower, np.array([0.1, 1.0, 1.5]))
    np.testing.assert_allclose(found, [max(1.8, 0.9), max(0.0, 0.0), max(-1.0, -0.5)])


def test_of_upper_bounds_the_hull_counts():
    upper = [make_answer(rate=r, distortion=d) for d, r in ((1.0, 3.0), (2.0, 2.9), (3.0, 1.0))]
    found = lower_hull(upper, np.array([0.9, 1.0, 2.0, 3.0, 4.0]))
    # The point in the middle lies above the chord of its neighbours.
    np.testing.assert_allclose(found, [np.inf, 3.0, 2.0, 1.0, 1.0])
