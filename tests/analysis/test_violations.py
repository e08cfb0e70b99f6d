import dataclasses

import numpy as np
import pytest

from rdbound.analysis.violations import violations
from rdbound.sources import exact_rate, exact_slope, make_source
from tests.answers import make_answer


def test_a_bound_may_err_by_three_standard_errors_on_its_wrong_side():
    assert not violations([make_answer(rate=0.471), make_answer(rate=5.0)])
    assert not violations([make_answer(side="lower", rate=0.529), make_answer(exact_J=None)])
    for wrong in (
        make_answer(rate=0.469),
        make_answer(side="lower", rate=0.531),
        make_answer(side="exact", rate=0.531),
        make_answer(side="exact", rate=0.469),
    ):
        (line,) = violations([wrong])
        assert "WRONG: m on s" in line
    assert not violations([make_answer(rate=0.469, tolerance=0.01)])


def test_a_point_far_from_its_slope_may_not_lie_below_the_curve():
    """R(D) of a Gaussian at λ = 64 and a D at which J, four times steeper, cannot tell."""
    source, lmbda = make_source("gaussian", variances=[1.0]), 64.0
    D = 0.0345
    point = make_answer(
        lmbda=lmbda, rate=2.0, distortion=D, exact_J=source.exact(lmbda).J(lmbda),
        exact_rate=exact_rate(source, D), exact_slope=exact_slope(source, D), standard_error=0.005,
    )  # fmt: skip
    assert point.exact_slope == pytest.approx(1 / (2 * np.log(2) * D), rel=1e-3)
    assert point.error > 0
    (line,) = violations([point])
    assert "below R(D) at D = 0.0345" in line
    assert not violations([dataclasses.replace(point, rate=point.exact_rate - 0.014)])


@pytest.mark.parametrize("field", ["rate", "standard_error"])
def test_what_is_not_finite_is_wrong(field):
    (line,) = violations([make_answer(**{field: float("nan")})])
    assert "not finite" in line


def test_bounds_must_not_cross_even_where_the_truth_is_unknown():
    upper = make_answer(method="up", exact_J=None)
    for rate, wrong in ((0.53, False), (0.55, True)):
        lower = make_answer(method="low", side="lower", rate=rate, exact_J=None)
        assert bool(violations([upper, lower])) == wrong


def test_noise_in_d_does_not_hide_a_point_below_the_curve():
    """A flat curve at a large D: the noise of J is all λ·D's, that of R + slope·D a hundredth."""
    source, lmbda = make_source("gaussian", variances=[1.0]), 1000.0
    D = 0.05
    point = make_answer(
        lmbda=lmbda, rate=exact_rate(source, D) - 0.23, distortion=D,
        exact_J=source.exact(lmbda).J(lmbda), exact_rate=exact_rate(source, D),
        exact_slope=exact_slope(source, D), standard_error=0.1, rate_error=0.002,
        distortion_error=1e-4,
    )  # fmt: skip
    assert point.error > 0
    (line,) = violations([point])
    assert "R lies 0.23 bits below R(D) at D = 0.05" in line
    # The covariance that 0.1² = 0.002² + 2·1000·c + 0.1² leaves, at the slope 14.43.
    twice = (0.1**2 - 0.002**2 - (lmbda * 1e-4) ** 2) / lmbda
    slope = point.exact_slope
    noise = np.sqrt(0.002**2 + slope * twice + (slope * 1e-4) ** 2)
    assert noise == pytest.approx(0.00246, abs=2e-5)
    for off, wrong in ((2.9, False), (3.1, True)):
        near = dataclasses.replace(point, rate=point.exact_rate - off * noise)
        assert bool(violations([near])) == wrong


def test_a_steep_curve_does_not_hide_a_point_below_it():
    """D near zero, where the slope is 29 λ: 29 standard errors of J were 0.43 bits."""
    source, lmbda = make_source("gaussian", variances=[0.01]), 1000.0
    D = 2.5e-5
    point = make_answer(
        lmbda=lmbda, rate=exact_rate(source, D) - 0.23, distortion=D,
        exact_J=source.exact(lmbda).J(lmbda), exact_rate=exact_rate(source, D),
        exact_slope=exact_slope(source, D), standard_error=0.005,
    )  # fmt: skip
    assert point.exact_slope / lmbda == pytest.approx(28.9, abs=0.1)
    assert point.error > 0
    for answer in (point, dataclasses.replace(point, rate_error=0.005, distortion_error=1e-7)):
        (line,) = violations([answer])
        assert "R lies 0.23 bits below R(D)" in line


@pytest.mark.parametrize("lmbda", [0.9, 64.0, 1e6])
def test_the_rounding_of_float32_is_no_violation(lmbda):
    """The exact point, a few last digits off; ten times as many are too many."""
    source = make_source("gaussian", variances=[1.0])
    exact = source.exact(lmbda)
    for ulps, wrong in ((4, False), (40, True)):
        rate, distortion = (value * (1 - ulps * 2.0**-23) for value in exact)
        point = make_answer(
            lmbda=lmbda, rate=rate, distortion=distortion, standard_error=0.0,
            exact_J=exact.J(lmbda), exact_rate=exact_rate(source, distortion),
            exact_slope=exact_slope(source, distortion),
        )  # fmt: skip
        for side in ("upper", "exact"):
            assert bool(violations([dataclasses.replace(point, side=side)])) == wrong
