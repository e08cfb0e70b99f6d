"""The gaps as BD-rate on curves made by hand, whose rates are in known ratios."""

import dataclasses

import numpy as np
import pytest

from rdbound.analysis.bd_rate import INTERPOLATIONS, compare
from rdbound.analysis.curves import ImageCurves, Points
from rdbound.analysis.gaps import PARTS, bd_gaps, chain
from rdbound.tables.rd import Row
from tests.analysis.test_gaps import make_rows

# Each λ is the slope between its neighbours at rates of 0.5 to 1 of these: no other
# point of the curve has less J there.
POINTS = ((0.001, 0.2, 28.0), (0.005, 0.4, 31.0), (0.02, 0.8, 34.5), (0.08, 1.6, 38.0))
# The rate of each method at equal PSNR, in units of the refined bound's: every
# ratio of two of them is another number.
RATES = {
    "bound-refined": 1.0,
    "bound": 1.25,
    "codec-refined-real": 1.44,
    "codec-refined-ideal": 1.5,
    "codec-ideal": 2.4,
    "codec-coded": 2.64,
    "codec-refined-coded": 7.0,
}
TRUE = {
    "asymptotic": 2.64 / 2.4,
    "amortization": 2.4 / 1.5,
    "output-rounding": 1.5 / 1.44,
    "digitization": 1.44 / 1.0,
    "modeling": 1.0,
    "total": 2.64 / 1.0,
    "bound-amortization": 1.25 / 1.0,
}


def curves(image="a", rates=RATES, dataset="toy"):
    """A row for each method and point; the rate of a method is a multiple of the bound's."""
    return [
        Row(
            dataset,
            image,
            method.split("-")[0],
            lmbda,
            method,
            100,
            100 * bpp * rate,
            None,
            bpp * rate,
            mse,
            psnr,
            None,
            bpp * rate + lmbda * mse,
            None,
            0,
            1,
            0,
        )
        for method, rate in rates.items()
        for lmbda, bpp, psnr in POINTS
        for mse in [255.0**2 * 10 ** (-psnr / 10)]
    ]


def at_rate(rows, factor, of="bound-refined", **changes):
    """The rows of a method at a multiple of their rate, of another model."""
    return [
        dataclasses.replace(r, bpp=factor * r.bpp, J=factor * r.bpp + r.lmbda * r.mse, **changes)
        for r in rows
        if r.method == of
    ]


def found_in(rows, method="pchip", **names):
    return bd_gaps(rows, chain(rows, **names), method)


def value(found, gap):
    return found[gap].value


@pytest.mark.parametrize("method", INTERPOLATIONS)
def test_each_gap_is_the_rate_of_the_upper_curve_over_that_of_the_lower(method):
    found = found_in(curves(), method=method)
    assert found.keys() == TRUE.keys()
    for gap, ratio in TRUE.items():
        assert found[gap].value == pytest.approx(100 * (ratio - 1), abs=1e-6)
        assert found[gap].images == {"a": pytest.approx(100 * (ratio - 1), abs=1e-6)}


def test_a_richer_posterior_has_a_curve_of_its_own():
    rows = curves()
    found = found_in(rows + at_rate(rows, 0.8, method="bound-refined-coupled"))
    assert value(found, "approximation") == pytest.approx(25.0, abs=1e-6)
    assert value(found, "digitization") == pytest.approx(44.0, abs=1e-6)


def test_gaps_beside_the_chain_have_curves_of_their_own():
    rows = curves()
    scaled = [r for r in rows if r.method == "bound"]
    back = [r for r in rows if r.method == "codec-refined-ideal"]
    found = found_in(
        [
            *rows,
            *(dataclasses.replace(r, method="bound-prior-scaled", bpp=1.1 * r.bpp) for r in scaled),
            *(
                dataclasses.replace(r, method="codec-bits-back-refined-ideal", bpp=r.bpp / 1.05)
                for r in back
            ),
        ]
    )
    assert value(found, "known-scale") == pytest.approx(10.0, abs=1e-6)
    assert value(found, "marginalization") == pytest.approx(5.0, abs=1e-6)


def test_images_are_averaged_with_equal_weight():
    other = RATES | {"codec-refined-real": 1.1, "codec-refined-ideal": 1.2}
    found = found_in(curves("a") + curves("b", other))
    assert value(found, "digitization") == pytest.approx((44 + 10) / 2, abs=1e-6)
    expected = 100 * ((2.4 / 1.5 - 1) + (2.4 / 1.2 - 1)) / 2
    assert value(found, "amortization") == pytest.approx(expected, abs=1e-6)
    expected = 100 * ((1.5 / 1.44 - 1) + (1.2 / 1.1 - 1)) / 2
    assert value(found, "output-rounding") == pytest.approx(expected, abs=1e-6)


def test_a_curve_that_is_missing_costs_its_own_gaps_only():
    rates = {name: rate for name, rate in RATES.items() if name != "bound"}
    found = found_in(curves(rates=rates))
    assert found.keys() == TRUE.keys() - {"bound-amortization"}
    assert value(found, "asymptotic") == pytest.approx(10.0, abs=1e-6)


def test_where_the_rounding_is_not_told_apart_digitization_contains_it():
    rows = curves("a") + curves("b")
    real = [r for r in rows if r.method == "codec-refined-real"]
    for lacking in (real, real[:1]):
        found = found_in([r for r in rows if r not in lacking])
        assert "output-rounding" not in found
        assert value(found, "digitization") == pytest.approx(50.0, abs=1e-6)
        assert found["digitization"].images.keys() == {"a", "b"}


def test_the_pair_is_the_one_that_was_named():
    worse = [
        r
        for name in RATES
        if name.startswith("codec")
        for r in at_rate(curves(), 3, name, model="other")
    ]
    found = found_in(curves() + worse, codec="codec")
    assert value(found, "digitization") == pytest.approx(44.0, abs=1e-6)
    found = found_in(curves() + worse, codec="other")
    assert value(found, "digitization") == pytest.approx(332.0, abs=1e-6)
    with pytest.raises(ValueError, match="choose the codec's model with --codec"):
        found_in(curves() + worse)


def test_modeling_and_total_are_against_the_points_of_the_best_of_all_models():
    better = at_rate(curves(), 0.8, model="other", method="codec-coded")
    found = found_in(curves() + better, codec="codec")
    assert value(found, "modeling") == pytest.approx(25.0, abs=1e-6)
    assert value(found, "total") == pytest.approx(100 * (2.64 / 0.8 - 1), abs=1e-6)
    for gap in TRUE.keys() - {"modeling", "total"}:
        assert value(found, gap) == pytest.approx(value(found_in(curves()), gap), abs=1e-9)


def test_a_point_that_is_the_best_at_two_lambdas_is_one_of_the_curve():
    """At the λ of the third point the second is the best: three are left, from 28 to 38 dB."""
    moved = [
        dataclasses.replace(r, lmbda=0.008, J=r.bpp + 0.008 * r.mse) if r.lmbda == 0.02 else r
        for r in curves()
    ]
    best = at_rate(moved, 1.0, model="other")
    found = found_in(moved + best, bound="bound", method="pchip")
    three = ImageCurves(
        "toy",
        "three",
        {
            "a": Points(
                *(np.array([(bpp, psnr, 0.0) for lmbda, bpp, psnr in POINTS if lmbda != 0.02]).T)
            )
        },
    )
    bound = ImageCurves(
        "toy", "bound", {"a": Points(*(np.array([(bpp, psnr, 0.0) for _, bpp, psnr in POINTS]).T))}
    )
    expected = compare(three, bound, "pchip").value
    assert abs(expected) > 0.1
    assert value(found, "modeling") == pytest.approx(expected, abs=1e-9)


def test_a_best_curve_of_too_few_points_costs_its_own_gaps_only():
    row = curves()[0]
    best = dataclasses.replace(
        row, model="other", bpp=1e-3, mse=1e-2, psnr=68.1, J=1e-3 + row.lmbda * 1e-2
    )
    found = found_in([*curves(), best], bound="bound")
    for gap in ("modeling", "total"):
        assert found[gap] == "anchor: 1 points; BD-rate needs at least 3"
    assert value(found, "digitization") == pytest.approx(44.0, abs=1e-6)


def test_the_exact_curve_is_the_best_and_changes_nothing_else():
    exact = at_rate(curves(), 0.5, model="theory", method="exact", image="source")
    found = found_in(curves() + exact)
    assert value(found, "modeling") == pytest.approx(100.0, abs=1e-6)
    assert value(found, "total") == pytest.approx(428.0, abs=1e-6)
    for gap in TRUE.keys() - {"modeling", "total"}:
        assert found[gap] == found_in(curves())[gap]


def test_bd_gaps_have_the_signs_of_the_gaps():
    found = found_in(make_rows())
    assert found.keys() == {*PARTS, "total", "bound-amortization"}
    assert found["modeling"].value == 0.0
    assert all(value.value > 0 for gap, value in found.items() if gap != "modeling")
