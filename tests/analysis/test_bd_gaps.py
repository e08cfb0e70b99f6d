"""The gaps as BD-rate on curves made by hand, whose rates are in known ratios."""

import dataclasses

import pytest

from rdbound.analysis.bd_gaps import bd_gaps
from rdbound.analysis.bd_rate import INTERPOLATIONS
from rdbound.tables.rd import Row
from tests.analysis.test_gaps import make_rows

POINTS = ((0.001, 0.2, 28.0), (0.003, 0.4, 31.0), (0.01, 0.8, 34.5), (0.03, 1.6, 38.0))
# The rate of each method at equal PSNR, in units of the refined bound's: every
# ratio of two of them is another number.
RATES = {"bound-refined": 1.0, "bound": 1.25, "codec-refined-ideal": 1.5, "codec-ideal": 2.4,
         "codec-coded": 2.64, "codec-refined-coded": 7.0}  # fmt: skip
TRUE = {"asymptotic": 2.64 / 2.4, "amortization": 2.4 / 1.5, "digitization": 1.5 / 1.0,
        "bound-amortization": 1.25 / 1.0}  # fmt: skip


def curves(image="a", rates=RATES, dataset="toy"):
    """A row for each method and point; the rate of a method is a multiple of the bound's."""
    return [
        Row(dataset, image, method.split("-")[0], lmbda, method, 100, 100 * bpp * rate, None,
            bpp * rate, 255.0**2 * 10 ** (-psnr / 10), psnr, None, bpp * rate, None, 0, 1, 0)
        for method, rate in rates.items()
        for lmbda, bpp, psnr in POINTS
    ]  # fmt: skip


@pytest.mark.parametrize("method", INTERPOLATIONS)
def test_each_gap_is_the_rate_of_the_upper_curve_over_that_of_the_lower(method):
    found = bd_gaps(curves(), method=method)
    assert found.keys() == {("toy", gap) for gap in TRUE}
    for gap, ratio in TRUE.items():
        assert found["toy", gap].value == pytest.approx(100 * (ratio - 1), abs=1e-6)
        assert found["toy", gap].images == {"a": pytest.approx(100 * (ratio - 1), abs=1e-6)}


def test_images_are_averaged_with_equal_weight():
    other = RATES | {"codec-refined-ideal": 1.1}
    found = bd_gaps(curves("a") + curves("b", other))
    assert found["toy", "digitization"].value == pytest.approx((50 + 10) / 2, abs=1e-6)
    expected = 100 * ((2.4 / 1.5 - 1) + (2.4 / 1.1 - 1)) / 2
    assert found["toy", "amortization"].value == pytest.approx(expected, abs=1e-6)


def test_a_curve_that_is_missing_costs_its_own_gaps_only():
    rates = {name: rate for name, rate in RATES.items() if name != "codec-refined-ideal"}
    found = bd_gaps(curves(rates=rates))
    assert {gap for _, gap in found} == {"asymptotic", "bound-amortization"}
    assert found["toy", "asymptotic"].value == pytest.approx(10.0, abs=1e-6)


def test_the_pair_is_the_one_that_was_named():
    worse = [dataclasses.replace(r, model="other", bpp=3 * r.bpp)
             for r in curves() if r.method == "codec-refined-ideal"]  # fmt: skip
    found = bd_gaps(curves() + worse, codec="codec")
    assert found["toy", "digitization"].value == pytest.approx(50.0, abs=1e-6)
    found = bd_gaps(curves() + worse, codec="other")
    assert found["toy", "digitization"].value == pytest.approx(350.0, abs=1e-6)
    with pytest.raises(ValueError, match="choose the codec's model with --codec"):
        bd_gaps(curves() + worse)


def test_the_exact_curve_changes_nothing():
    exact = [dataclasses.replace(r, model="theory", method="exact", bpp=r.bpp / 2)
             for r in curves() if r.method == "bound-refined"]  # fmt: skip
    assert bd_gaps(curves() + exact) == bd_gaps(curves())


def test_bd_gaps_have_the_signs_of_the_gaps():
    found = bd_gaps(make_rows())
    assert {gap for _, gap in found} == {
        "asymptotic",
        "amortization",
        "digitization",
        "bound-amortization",
    }
    assert all(value.value > 0 for value in found.values())
