"""Effects of size on curves made by hand, whose rates are in known ratios to the anchor."""

from dataclasses import replace

import numpy as np
import pytest

from rdbound.analysis.curves import from_rows
from rdbound.analysis.model_size import architecture_of, contrasts, family_of, scaling
from tests.analysis.test_bd_gaps import curves

SIZES = {"net-1": 10.0, "net-2": 20.0, "other-9": 15.0}
IMAGES = ("a", "b", "c", "d", "e")
# The rate of each at equal PSNR, in units of the anchor's.
RATES = {
    "net-1": {"bound": 1.5, "bound-refined": 1.2, "codec-coded": 2.0, "codec-refined-coded": 1.6},
    "net-2": {"bound": 1.1, "bound-refined": 1.0, "codec-coded": 1.9, "codec-refined-coded": 1.7},
    "other-9": {"bound": 1.3},
}


def _anchor():
    rows = [row for image in IMAGES for row in curves(image, {"bound": 1.0})]
    return next(iter(from_rows(rows).values()))


def rows_by_size(shift=0.0):
    """Rows of three architectures; an image's rates are ``shift`` times its number higher."""
    return [
        replace(row, model=f"{name}-{method.partition('-')[0]}")
        for name, rates in RATES.items()
        for number, image in enumerate(IMAGES)
        for method, rate in rates.items()
        for row in curves(image, {method: rate * (1 + shift * number)})
    ]


def _value(found, *key):
    (one,) = (e for e in found if (e.effect, e.architecture, e.form, e.refined) == key)
    return one.value.value


def test_every_effect_is_the_ratio_of_its_two_rates():
    found = scaling(rows_by_size(), _anchor(), SIZES)
    for name in ("net-1", "net-2"):
        rates = RATES[name]
        for key, ratio in {
            ("rate", name, "bound", False): rates["bound"],
            ("rate", name, "bound", True): rates["bound-refined"],
            ("rate", name, "codec", False): rates["codec-coded"],
            ("rate", name, "codec", True): rates["codec-refined-coded"],
            ("gain", name, "bound", True): rates["bound-refined"] / rates["bound"],
            ("gain", name, "codec", True): rates["codec-refined-coded"] / rates["codec-coded"],
            ("gap", name, "both", False): rates["codec-coded"] / rates["bound"],
            ("gap", name, "both", True): rates["codec-refined-coded"] / rates["bound-refined"],
        }.items():
            assert _value(found, *key) == pytest.approx(100 * (ratio - 1), abs=1e-6)
    assert [(e.effect, e.size) for e in found if e.family == "other"] == [("rate", 15.0)]
    assert [e.architecture for e in found][:: len(found) - 1] == ["net-1", "other-9"]


def test_contrasts_are_of_the_largest_less_the_smallest_image_by_image():
    found = scaling(rows_by_size(shift=0.1), _anchor(), SIZES)
    (bound,) = contrasts(found, "rate", "bound", True)
    each = np.array([100 * (1.0 - 1.2) * (1 + 0.1 * n) for n in range(5)])
    assert (bound.smallest, bound.largest, bound.images) == ("net-1", "net-2", 5)
    assert bound.value == pytest.approx(each.mean(), abs=1e-6)
    # Student's t of four degrees of freedom.
    reach = 2.7764 * each.std(ddof=1) / 5**0.5
    assert bound.interval == pytest.approx((each.mean() - reach, each.mean() + reach), abs=1e-3)
    (faster,) = contrasts(found, "rate", "bound", True, less="codec")
    each -= [100 * (1.7 - 1.6) * (1 + 0.1 * n) for n in range(5)]
    assert faster.value == pytest.approx(each.mean(), abs=1e-6)
    (gain,) = contrasts(found, "gain", "bound", True)
    assert gain.value == pytest.approx(100 * (1 / 1.1 - 1.2 / 1.5), abs=1e-6)
    assert contrasts(found, "gain", "both", True) == []


def test_names_are_taken_apart():
    assert architecture_of("res-hyper-4-codec") == "res-hyper-4"
    assert family_of("res-hyper-4") == "res-hyper"
    assert architecture_of("mine") == family_of("mine") == "mine"


def test_what_cannot_be_compared_is_told():
    rows = rows_by_size()
    with pytest.raises(ValueError, match=r"^no size is known of net-1, net-2$"):
        scaling(rows, _anchor(), {"other-9": 1.0})
    with pytest.raises(ValueError, match="on one data set, not on another, toy"):
        scaling([*rows, replace(rows[0], dataset="another")], _anchor(), SIZES)
    twice = [replace(r, model="net-1") for r in rows if r.model == "net-1-bound"]
    with pytest.raises(ValueError, match="are of one architecture and form"):
        scaling([*rows, *twice], _anchor(), SIZES)
    (short,) = scaling(
        [r for r in rows if r.model == "other-9-bound" and r.lmbda < 0.01], _anchor(), SIZES
    )
    assert "points; BD-rate needs at least" in short.value
