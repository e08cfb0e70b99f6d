import dataclasses

import numpy as np
import pytest

from rdbound.analysis.consistency import violations
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
        lmbda=lmbda,
        rate=2.0,
        distortion=D,
        exact_J=source.exact(lmbda).J(lmbda),
        exact_rate=exact_rate(source, D),
        exact_slope=exact_slope(source, D),
        standard_error=0.005,
    )
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


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.9])
@pytest.mark.parametrize("lmbda", [5.0, 1000.0])
def test_a_point_may_lie_below_the_curve_by_the_noise_of_its_own_slope(correlation, lmbda):
    """Of samples of R and D; at λ = 1000 the noise of J is all λ·D's, 60 times that."""
    rng, source, D = np.random.default_rng(0), make_source("gaussian", variances=[1.0]), 0.05
    a, b = rng.normal(size=(2, 500))
    noisy_R = 0.05 * a
    noisy_D = 0.005 * (correlation * a + np.sqrt(1 - correlation**2) * b)
    error = lambda values: values.std(ddof=1) / np.sqrt(500)  # noqa: E731
    point = make_answer(
        lmbda=lmbda,
        distortion=D,
        exact_J=source.exact(lmbda).J(lmbda),
        exact_rate=exact_rate(source, D),
        exact_slope=exact_slope(source, D),
        standard_error=error(noisy_R + lmbda * noisy_D),
        rate_error=error(noisy_R),
        distortion_error=error(noisy_D),
    )
    noise = error(noisy_R + point.exact_slope * noisy_D)
    for off, wrong in ((2.9, False), (3.1, True)):
        near = dataclasses.replace(point, rate=point.exact_rate - off * noise)
        assert near.error > 0
        found = violations([near])
        assert bool(found) == wrong
    assert "below R(D) at D = 0.05" in found[0]


@pytest.mark.parametrize(
    ("R", "D", "below", "errors"),
    [
        (3.2977, 0.0002687, 0.311, (0.046, 0.022, 3.4e-5)),
        (3.1048, 0.0004531, 0.127, (0.031, 0.025, 1.1e-5)),
    ],
)
def test_a_point_of_cancelled_distances_is_caught(R, D, below, errors):
    """Particles for clusters at ±300, had their distances been |x|² − 2x·y + |y|² in float32.

    R(D) is up to 2.7 times steeper than λ there, and J off by less than its noise.
    """
    source, lmbda = make_source("mixture", means=[[-300.0], [300.0]], noise=0.1), 1000.0
    point = make_answer(
        lmbda=lmbda,
        rate=R,
        distortion=D,
        exact_J=source.exact(lmbda).J(lmbda),
        exact_rate=exact_rate(source, D),
        exact_slope=exact_slope(source, D),
        standard_error=errors[0],
        rate_error=errors[1],
        distortion_error=errors[2],
    )
    assert abs(point.error) < 2 * errors[0]
    assert point.below == pytest.approx(below, abs=0.002)
    (line,) = violations([point])
    assert "bits below R(D)" in line


def test_a_steep_curve_does_not_hide_a_point_below_it():
    """D near zero, where the slope is 29 λ: 29 standard errors of J, thrice, were 0.43 bits."""
    source, lmbda = make_source("gaussian", variances=[0.01]), 1000.0
    D = 2.5e-5
    point = make_answer(
        lmbda=lmbda,
        rate=exact_rate(source, D) - 0.23,
        distortion=D,
        exact_J=source.exact(lmbda).J(lmbda),
        exact_rate=exact_rate(source, D),
        exact_slope=exact_slope(source, D),
        standard_error=0.005,
    )
    assert point.exact_slope / lmbda == pytest.approx(28.9, abs=0.1)
    assert point.error > 0
    (line,) = violations([point])
    assert "R lies 0.23 bits below R(D)" in line
    assert not violations([dataclasses.replace(point, rate=point.rate + 0.21)])


@pytest.mark.parametrize("lmbda", [0.9, 64.0, 1e6])
def test_the_rounding_of_float32_is_no_violation(lmbda):
    """The exact point, a few last digits off; ten times as many are too many."""
    source = make_source("gaussian", variances=[1.0])
    exact = source.exact(lmbda)
    for ulps, wrong in ((4, False), (40, True)):
        rate, distortion = (value * (1 - ulps * 2.0**-23) for value in exact)
        point = make_answer(
            lmbda=lmbda,
            rate=rate,
            distortion=distortion,
            standard_error=0.0,
            exact_J=exact.J(lmbda),
            exact_rate=exact_rate(source, distortion),
            exact_slope=exact_slope(source, distortion),
        )
        for side in ("upper", "exact"):
            assert bool(violations([dataclasses.replace(point, side=side)])) == wrong
