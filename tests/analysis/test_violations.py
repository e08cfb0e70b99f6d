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
