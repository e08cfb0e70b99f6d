import pytest

from rdbound.analysis.posterior_family_gap import posterior_family_gaps
from rdbound.tables.estimates import Answer


def _answer(method, rate, lmbda=1.0, side="upper"):
    return Answer(
        source="ar1",
        method=method,
        side=side,
        lmbda=lmbda,
        rate=rate,
        distortion=0.2,
        standard_error=0.003,
        tolerance=0.0,
        exact_rate=None,
        exact_slope=None,
        exact_J=None,
        seconds=1.0,
        status="",
    )


def test_the_gap_is_the_difference_at_one_slope():
    answers = [
        _answer("neural-upper", 0.5),
        _answer("neural-upper-full", 0.4),
        _answer("neural-upper-autoregressive", 0.45, lmbda=2.0),
        _answer("neural-upper-flow", 0.1),
    ]
    (gap,) = posterior_family_gaps(answers)
    assert (gap.dataset, gap.gap, gap.lmbda) == ("ar1", "posterior-family-full", 1.0)
    assert gap.value == pytest.approx(0.1)
    assert gap.hi - gap.lo == pytest.approx(2 * 1.96 * 0.003 * 2**0.5)


def test_there_is_none_without_a_factorized_posterior_beside_it():
    assert posterior_family_gaps([_answer("neural-upper-full", 0.4)]) == []
