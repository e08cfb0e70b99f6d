"""The ladder on tables whose differences are known."""

import dataclasses

import numpy as np
import pytest

from rdbound.analysis.channel_ladder import has_rungs, ladder
from rdbound.tables.rd import Row

LMBDAS = (0.002, 0.006, 0.02, 0.06)
RATES = {
    "bound": 0.4,
    "bound-refined": 0.38,
    "bound-prior-scaled": 0.42,
    "bound-layered-ideal": 0.5,
    "bound-layered-coded": 0.52,
    "codec-bits-back-refined-ideal": 0.44,
    "codec-bits-back-refined-coded": 0.45,
    "codec-refined-ideal": 0.46,
    "codec-refined-coded": 0.47,
    "codec-ideal": 0.56,
    "codec-coded": 0.57,
    "codec-refined-real": 0.41,
    "bound-refined-coupled": 0.3,
}
"""Of each method, relative to the rate of a Gaussian source: times, not plus."""


def _rows(images=("a", "b"), methods=RATES, dataset="toy", scatter=0.0):
    rows = []
    for number, image in enumerate(images):
        for lmbda in LMBDAS:
            mse = 1 / (2 * np.log(2) * lmbda)
            whole = 2.0 + 0.5 * np.log2(lmbda / 0.002)
            for method in methods:
                bpp = whole * RATES[method] + scatter * number * (method == "codec-ideal")
                model = "b" if method.startswith("bound") else "c"
                rows.append(
                    Row(
                        dataset,
                        image,
                        model,
                        lmbda,
                        method,
                        1000,
                        bpp * 1000,
                        None,
                        bpp,
                        mse,
                        48.13 - 10 * np.log10(mse),
                        None,
                        bpp + lmbda * mse,
                        None,
                        0,
                        1,
                        0,
                    )
                )
    return rows


def test_rungs_come_in_order_with_their_parts():
    found = ladder(_rows())
    assert [r.method for r in found] == [
        "bound",
        "bound-refined",
        "bound-prior-scaled",
        "bound-layered-ideal",
        "codec-bits-back-refined-ideal",
        "codec-ideal",
        "codec-refined-ideal",
    ]
    for rung in found:
        refined = "refined" in rung.method
        assert rung.against == ("bound-refined" if refined else "bound")
        coded = rung.method.replace("ideal", "coded")
        for lmbda in LMBDAS:
            whole = 2.0 + 0.5 * np.log2(lmbda / 0.002)
            over = RATES[rung.method] - RATES[rung.against]
            assert rung.digitization[lmbda].value == pytest.approx(whole * over)
            assert rung.J[lmbda] == pytest.approx(whole * RATES[rung.method] + 1 / (2 * np.log(2)))
            if coded in RATES and coded != rung.method:
                bytes_over = RATES[coded] - RATES[rung.method]
                assert rung.asymptotic[lmbda].value == pytest.approx(whole * bytes_over)
            else:
                assert not rung.asymptotic


def test_bd_rates_are_the_ratios_of_the_rates():
    found = {r.method: r for r in ladder(_rows())}
    for name, rung in found.items():
        expected = 100 * (RATES[name] / RATES[rung.against] - 1)
        assert rung.bd_digitization.value == pytest.approx(expected, abs=1e-6)
        coded = name.replace("ideal", "coded")
        if rung.bd_asymptotic is not None:
            expected = 100 * (RATES[coded] / RATES[name] - 1)
            assert rung.bd_asymptotic.value == pytest.approx(expected, abs=1e-6)
    assert found["bound-prior-scaled"].bd_asymptotic is None
    assert found["codec-ideal"].bd_asymptotic is not None


def test_a_mean_has_an_interval_from_four_images_on():
    two = {r.method: r for r in ladder(_rows())}["codec-ideal"]
    assert two.digitization[0.02].interval is None
    five = ladder(_rows(images="abcde", scatter=0.1))
    mean = {r.method: r for r in five}["codec-ideal"].digitization[0.02]
    # 0, 0.1 … 0.4: s = 0.158, t(4) = 2.776
    half = 2.7764 * np.std(0.1 * np.arange(5), ddof=1) / 5**0.5
    assert mean.interval == pytest.approx((mean.value - half, mean.value + half), rel=1e-4)
    assert str(mean).startswith(f"{mean.value:+.4f} [")


def test_without_a_refined_bound_refined_rungs_stand_against_the_amortized():
    methods = [m for m in RATES if m != "bound-refined"]
    found = {r.method: r for r in ladder(_rows(methods=methods))}
    assert {r.against for r in found.values()} == {"bound"}


def test_only_common_images_count():
    rows = [r for r in _rows() if not (r.method == "codec-ideal" and r.image == "b")]
    found = {r.method: r for r in ladder(rows)}["codec-ideal"]
    assert found.digitization[0.02].value == pytest.approx(
        (RATES["codec-ideal"] - RATES["bound"]) * (2 + 0.5 * np.log2(10))
    )
    assert set(found.bd_digitization.images) == {"a"}


def test_a_curve_that_does_not_rise_is_told():
    rows = [dataclasses.replace(r, psnr=30.0) if r.method == "codec-ideal" else r for r in _rows()]
    found = {r.method: r for r in ladder(rows)}["codec-ideal"]
    assert "quality does not rise" in found.bd_digitization
    assert "quality does not rise" in found.bd_asymptotic


def test_models_beside_the_pair_have_rungs_and_other_bounds_have_none():
    other = [
        dataclasses.replace(r, model="z" + r.model) for r in _rows(methods=["bound", "codec-ideal"])
    ]
    with pytest.raises(ValueError, match="--bound; the tables hold: b, zb"):
        ladder(_rows() + other)
    found = [(r.model, r.method) for r in ladder(_rows() + other, "b")]
    assert ("zc", "codec-ideal") in found
    assert ("zb", "bound") not in found


def test_what_is_no_ladder_is_refused():
    with pytest.raises(ValueError, match="of one data set; the tables hold other, toy"):
        ladder(_rows() + _rows(dataset="other"))
    with pytest.raises(ValueError, match="the tables hold: none"):
        ladder(_rows(methods=["codec-ideal"]))
    alone = [r for r in _rows() if r.image == "a" or r.method != "bound"]
    with pytest.raises(ValueError, match="c codec-ideal has no image and λ in common with b bound"):
        ladder(
            [
                r
                for r in alone
                if (r.method == "bound") == (r.image == "a")
                and r.method in ("bound", "codec-ideal")
            ]
        )


def test_a_table_has_rungs_where_one_was_asked_for():
    assert has_rungs(_rows())
    assert not has_rungs(_rows(methods=["bound", "codec-ideal", "codec-coded"]))
    assert not has_rungs(_rows(methods=["bound", "bound-refined-coupled"]))
    assert not has_rungs(_rows(methods=["bound-layered-ideal"]))
