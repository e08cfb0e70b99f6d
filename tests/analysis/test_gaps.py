import dataclasses

import numpy as np
import pytest

from rdbound import reference
from rdbound.analysis.best_known import EXACT
from rdbound.analysis.gaps import PARTS, chain, gaps, pair
from rdbound.tables.rd import Row

OFFSETS = {
    "bound": 0.03,
    "bound-refined": 0.0,
    "codec-ideal": 0.35,
    "codec-coded": 0.375,
    "codec-refined-ideal": 0.25,
    "codec-refined-coded": 0.27,
    "codec-refined-real": 0.23,
}


def make_rows(dataset="toy", images=("a", "b", "c"), lmbdas=(0.002, 0.01, 0.05), seed=0):
    """Rows whose gaps are known up to a noise of the images' own."""
    rng = np.random.default_rng(seed)
    rows = []
    for image in images:
        noise = dict(zip(OFFSETS, 0.01 * rng.random(len(OFFSETS)), strict=True))
        for lmbda in lmbdas:
            for method in OFFSETS:
                # Of a Gaussian: the slope of its R(D) is −λ, so that no other λ's point is better.
                bpp = 0.4 + 0.5 * np.log2(lmbda / 0.002) + OFFSETS[method] + noise[method]
                mse = 1 / (2 * np.log(2) * lmbda)
                rows.append(
                    Row(
                        dataset,
                        image,
                        "b" if method[0] == "b" else "c",
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


def with_coupled(rows):
    """The rows, and those of a richer posterior that wins 0.02 bits."""
    return rows + [
        dataclasses.replace(r, method="bound-refined-coupled", bpp=r.bpp - 0.02, J=r.J - 0.02)
        for r in rows
        if r.method == "bound-refined"
    ]


def test_gaps_are_differences_and_sum_to_the_total():
    rows = make_rows()
    J = {(r.image, r.lmbda, r.method): r.J for r in rows}
    found = {(g.image, g.lmbda, g.gap): g.value for g in gaps(rows)}
    for image, lmbda in {(r.image, r.lmbda) for r in rows}:
        at = lambda m, i=image, l=lmbda: J[i, l, m]  # noqa: E731, E741
        expected = {
            "asymptotic": at("codec-coded") - at("codec-ideal"),
            "amortization": at("codec-ideal") - at("codec-refined-ideal"),
            "output-rounding": at("codec-refined-ideal") - at("codec-refined-real"),
            "digitization": at("codec-refined-real") - at("bound-refined"),
            "modeling": 0.0,
            "total": at("codec-coded") - at("bound-refined"),
            "bound-amortization": at("bound") - at("bound-refined"),
        }
        for gap, value in expected.items():
            assert found[image, lmbda, gap] == pytest.approx(value, abs=1e-12)
        total = sum(found[image, lmbda, part] for part in PARTS)
        assert total == pytest.approx(found[image, lmbda, "total"], abs=1e-12)


def test_a_richer_posterior_tells_what_the_factorized_one_costs():
    """Beside the chain: the parts and the total are those of the better point that is known."""
    rows = make_rows()
    assert not values_of(gaps(rows), "approximation")
    found = gaps(with_coupled(rows))
    assert values_of(found, "approximation") == pytest.approx([0.02] * 12)
    assert values_of(found, "modeling") == pytest.approx([0.02] * 12)
    for g in found:
        if g.gap == "total":
            parts = [
                h.value
                for h in found
                if h.gap in PARTS and (h.image, h.lmbda) == (g.image, g.lmbda)
            ]
            assert g.value == pytest.approx(sum(parts))


@pytest.mark.parametrize(
    ("gap", "method", "of"),
    [
        ("known-scale", "bound-prior-scaled", "bound"),
        ("marginalization", "codec-bits-back-refined-ideal", "codec-refined-ideal"),
    ],
)
def test_gaps_beside_the_chain_are_there_where_their_methods_are(gap, method, of):
    rows, sign = make_rows(), 1 if gap == "known-scale" else -1
    assert not values_of(gaps(rows), gap)
    more = [
        dataclasses.replace(r, method=method, bpp=r.bpp + 0.02 * sign, J=r.J + 0.02 * sign)
        for r in rows
        if r.method == of
    ]
    found = gaps(rows + more)
    assert values_of(found, gap) == pytest.approx([0.02] * 12)
    assert values_of(found, "total") == values_of(gaps(rows), "total")


def test_the_mean_has_an_interval_and_images_have_none():
    found = gaps(make_rows(images=("a", "b", "c", "d")))
    means = [g for g in found if g.image == "mean"]
    assert len(means) == 3 * len({*PARTS, "total", "bound-amortization"})
    for g in means:
        own = [h.value for h in found if (h.gap, h.lmbda) == (g.gap, g.lmbda) and h.image != "mean"]
        assert g.value == pytest.approx(np.mean(own))
        assert g.lo <= g.value <= g.hi
    assert all(g.lo is None for g in found if g.image != "mean")


def cheaper(rows, of, by, **changes):
    """The rows of a method at less rate, and so at less J."""
    return [
        dataclasses.replace(r, bpp=r.bpp - by, J=r.J - by, **changes)
        for r in rows
        if r.method == of
    ]


def values_of(found, gap):
    return [g.value for g in found if g.gap == gap]


def test_the_best_point_known_decides_the_modeling_gap():
    rows = make_rows()
    assert set(values_of(gaps(rows), "modeling")) == {0.0}
    better = cheaper(rows, "bound-refined", 0.1, model="b2")
    assert values_of(gaps(rows + better, bound="b"), "modeling") == pytest.approx([0.1] * 12)
    coded = cheaper(rows, "bound-refined", 0.1, model="c2", method="codec-coded")
    assert values_of(gaps(rows + coded, codec="c"), "modeling") == pytest.approx([0.1] * 12)


def test_a_codec_better_than_the_bound_is_the_best_known_and_digitization_is_negative():
    """The bound's model is then 0.25 above it, and the chain still adds up to the total."""
    rows = make_rows()
    bound = [r for r in rows if r.model == "b"]
    mine = {(r.image, r.lmbda): r for r in bound if r.method == "bound-refined"}
    codec = [
        dataclasses.replace(r, bpp=m.bpp + at, J=m.J + at, mse=m.mse)
        for r in rows
        if r.model == "c"
        for m, at in [(mine[r.image, r.lmbda], OFFSETS[r.method] - 0.48)]
    ]
    found = gaps(bound + codec)
    assert values_of(found, "digitization") == pytest.approx([-0.25] * 12)
    assert values_of(found, "modeling") == pytest.approx([0.25] * 12)
    assert values_of(found, "total") == pytest.approx([0.145] * 12)
    assert {b.point.who for b in chain(bound + codec).best.values()} == {"c codec-refined-real"}


def test_published_points_compete_on_kodak_at_the_lambda_of_the_gaps():
    rows = make_rows("kodak", ("kodim13",), (0.02,))
    (found,) = (g for g in gaps(rows) if g.gap == "modeling" and g.image == "kodim13")
    points = [
        p
        for (d, _, per_image), c in reference.curves().items()
        for p in c.points
        if d == "kodak" and per_image and p.image == "kodim13"
    ]
    best = min(p.bpp + 0.02 * p.mse for p in points)
    bound = next(r.J for r in rows if r.method == "bound-refined")
    assert best < bound - 0.1, "a published point is the best"
    assert found.value == pytest.approx(bound - best, abs=1e-12)


def test_where_the_rounding_is_not_told_apart_digitization_contains_it():
    """Of vectors, of older tables, and where it is told of some images only."""
    rows = make_rows()
    real = [r for r in rows if r.method == "codec-refined-real"]
    J = {(r.image, r.lmbda, r.method): r.J for r in rows}
    for lacking in (real, real[:1]):
        of = chain([r for r in rows if r not in lacking])
        assert not of.separates_rounding
        assert values_of(of.gaps, "output-rounding") == []
        for g in of.gaps:
            if g.gap == "digitization" and g.image != "mean":
                at = lambda m, g=g: J[g.image, g.lmbda, m]  # noqa: E731
                expected = at("codec-refined-ideal") - at("bound-refined")
                assert g.value == pytest.approx(expected, abs=1e-12)
    assert chain(rows).separates_rounding


def other_distortion(rows):
    """The rows as of models trained for another D, which is 0.1 everywhere."""
    return [dataclasses.replace(r, J=r.bpp + 0.1 * r.lmbda) for r in rows]


def test_gaps_are_of_two_models_of_one_distortion():
    rows = make_rows()
    bound, codec = ([r for r in rows if r.model == m] for m in "bc")
    with pytest.raises(ValueError, match="D of b is the MSE and that of c is not"):
        gaps(bound + other_distortion(codec))
    with pytest.raises(ValueError, match="D of c is the MSE and that of b is not"):
        gaps(other_distortion(bound) + codec)


def test_in_another_distortion_points_of_other_lambdas_and_of_the_mse_do_not_compete():
    rows = make_rows()
    mse = [dataclasses.replace(r, model="n") for r in cheaper(rows, "bound-refined", 9.0)]
    found = gaps(other_distortion(rows) + mse, bound="b")
    assert set(values_of(found, "modeling")) == {0.0}
    better = [
        dataclasses.replace(r, model="n", method="codec-coded", J=r.J - 0.125)
        for r in other_distortion(rows)
        if r.method == "bound-refined"
    ]
    found = gaps(other_distortion(rows) + better, codec="c")
    assert values_of(found, "modeling") == pytest.approx([0.125] * 12)


def test_what_is_missing_is_named(tmp_path):
    rows = make_rows()
    with pytest.raises(ValueError, match="evaluate both models with refinement"):
        gaps([r for r in rows if "refined" not in r.method])
    with pytest.raises(ValueError, match="choose the bound's model with --bound"):
        gaps(rows + [dataclasses.replace(r, model="b2") for r in rows if r.model == "b"])
    with pytest.raises(ValueError, match="tables hold: none"):
        gaps([r for r in rows if r.model == "b"])


def test_rows_that_would_overwrite_each_other_are_refused():
    with pytest.raises(ValueError, match="two rows for"):
        gaps(make_rows() + make_rows())
    with pytest.raises(ValueError, match="one data set; the tables hold a, b"):
        gaps(make_rows("a") + make_rows("b"))


def exact_rows(rows, below=0.2, lmbdas=(0.002, 0.01, 0.05)):
    """Of the R(D) of the source that ``rows`` are of: ``below`` the first image's refined bound."""
    refined = {r.lmbda: r for r in rows if r.method == "bound-refined" and r.image == "a"}
    return [
        dataclasses.replace(r, image="source", model="theory", method="exact", J=r.J - below)
        for lmbda, r in refined.items()
        if lmbda in lmbdas
    ]


def test_the_exact_curve_is_the_best_and_the_modeling_gap_the_true_one():
    rows = make_rows()
    exact = exact_rows(rows)
    J = {(r.image, r.lmbda, r.method): r.J for r in rows + exact}
    without = {(g.image, g.lmbda, g.gap): g.value for g in gaps(rows)}
    found = {(g.image, g.lmbda, g.gap): g.value for g in gaps(rows + exact)}
    assert found.keys() == without.keys(), "the exact curve is no image of its own"
    for (image, lmbda, gap), value in found.items():
        if gap not in ("modeling", "total"):
            assert value == without[image, lmbda, gap]
        elif image != "mean":
            method = {"modeling": "bound-refined", "total": "codec-coded"}[gap]
            best = J["source", lmbda, "exact"]
            assert value == pytest.approx(J[image, lmbda, method] - best, abs=1e-12)
    assert found["a", 0.01, "modeling"] == pytest.approx(0.2)


def test_noise_of_a_bound_below_the_exact_curve_is_shown_and_published_bounds_do_not_compete():
    rows = make_rows("kodak", ("a",), (0.02,))
    exact = exact_rows(rows, -0.03, (0.02,))
    (modeling,) = (g for g in gaps(rows + exact) if g.gap == "modeling" and g.image == "a")
    assert modeling.value == pytest.approx(-0.03)


def test_the_exact_curve_has_no_part_in_the_pair():
    rows = make_rows()
    assert pair(rows + exact_rows(rows)) == pair(rows) == ("b", "c")


def test_a_source_whose_curve_is_known_at_one_slope_keeps_bounds_at_the_others():
    rows = make_rows()
    exact = exact_rows(rows, 0.2, (0.01,))
    exactly = {
        lmbda for (_, lmbda, _), b in chain(rows + exact).best.items() if b.point.who == EXACT
    }
    assert exactly == {0.01}
    modeling = {
        g.lmbda: g.value for g in gaps(rows + exact) if (g.gap, g.image) == ("modeling", "a")
    }
    assert modeling == {0.002: 0.0, 0.01: pytest.approx(0.2), 0.05: 0.0}


def test_every_method_that_gaps_need_is_asked_for():
    for method in ("codec-coded", "codec-ideal", "codec-refined-ideal", "bound-refined"):
        with pytest.raises(ValueError, match="gaps need the methods"):
            gaps([r for r in make_rows() if r.method != method])
