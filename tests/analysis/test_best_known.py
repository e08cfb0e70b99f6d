"""J_best against brute force over every point that may compete."""

import dataclasses
import math

import numpy as np
import pytest

from rdbound import reference
from rdbound.analysis.best_known import EXACT, best_known
from rdbound.tables.rd import Row, is_squared


def make_row(bpp, mse, lmbda=0.01, image="a", model="m", method="bound", dataset="toy", J=None):
    J = bpp + lmbda * mse if J is None else J
    psnr = 10 * math.log10(255**2 / mse) if mse else math.inf
    return Row(
        dataset,
        image,
        model,
        lmbda,
        method,
        100,
        100 * bpp,
        None,
        bpp,
        mse,
        psnr,
        None,
        J,
        None,
        0,
        1,
        0,
    )


def at(rows, lmbda, image="a", dataset="toy", squared=True):
    return best_known(rows, [(dataset, lmbda, image)], squared)[dataset, lmbda, image]


@pytest.mark.parametrize("dataset", ["toy", "kodak"])
def test_the_least_of_all_points_at_any_lambda_is_that_of_brute_force(dataset, rng):
    """Of 100 points of an image around a curve, and on Kodak of what is published of it."""
    lmbdas = np.geomspace(5e-4, 0.2, 40)
    rows = [
        make_row(b, m, float(lmbda), "kodim07", method=method, dataset=dataset)
        for lmbda in lmbdas[15:]
        for method in ("bound", "bound-refined", "codec-ideal", "codec-coded")
        for b, m in [np.exp(0.3 * rng.normal(size=2)) * (7 * lmbda**0.6, 0.6 * lmbda**-0.7)]
    ]
    other = make_row(1e-3, 1e-3, 0.01, "kodim08", dataset=dataset)
    points = [(r.bpp, r.mse) for r in rows]
    if dataset == "kodak":
        points += [
            (p.bpp, p.mse)
            for (name, _, _), c in reference.curves().items()
            for p in c.points
            if (name, p.image) == ("kodak", "kodim07")
        ]
    wanted = [(dataset, float(lmbda), "kodim07") for lmbda in lmbdas]
    found = best_known([*rows, other], wanted, True)
    winners, corners = set(), set()
    for key in wanted:
        J = [b + key[1] * m for b, m in points]
        assert pytest.approx(min(J), rel=1e-12) == found[key].J
        point = found[key].point
        assert (point.bpp, point.mse) == points[int(np.argmin(J))]
        winners.add(point.who)
        corners.add(point[:2])
    assert 3 < len(corners) < 25, "points of other λ win"
    assert ("vtm-22.0 (10-bit input)" in winners) == (dataset == "kodak")
    assert any(who.startswith("m ") for who in winners)


def test_every_point_on_a_line_is_as_good_and_equal_points_are_one():
    rows = [make_row(b, 100 - 50 * b) for b in (0.5, 1.0, 1.5)] + [make_row(0.5, 75.0, model="n")]
    for lmbda, corner in ((0.019, 0.5), (0.021, 1.5)):
        assert at(rows, lmbda).point[:2] == (100 - 50 * corner, corner)
    assert pytest.approx(2.0, rel=1e-12) == at(rows, 0.02).J


@pytest.mark.parametrize(
    "method",
    [
        "bound",
        "bound-refined",
        "codec-ideal",
        "codec-refined-ideal",
        "codec-refined-real",
        "codec-coded",
    ],
)
def test_what_is_achievable_competes_at_its_own_and_at_other_lambdas(method):
    worse = make_row(1.0, 100.0, model="m", method="bound-refined")
    better = make_row(0.9, 100.0, 0.3, model="other", method=method)
    best = at([worse, better], 0.01)
    assert pytest.approx(1.9, rel=1e-12) == best.J
    assert best.point.who == f"other {method}"


@pytest.mark.parametrize("method", ["floor", "somebody-elses", "exact"])
def test_what_has_no_rate_or_meaning_does_not_compete(method):
    worse = make_row(1.0, 100.0)
    assert at([worse, make_row(0.0, 1.0, 0.3, method=method)], 0.01).J == worse.J


def test_other_images_and_data_sets_do_not_compete():
    rows = [make_row(1.0, 100.0), make_row(0.1, 1.0, image="b"), make_row(0.1, 1.0, dataset="x")]
    assert at(rows, 0.01).J == rows[0].J


def test_the_exact_curve_decides_at_its_lambda_even_above_what_is_measured():
    rows = [make_row(1.0, 100.0), make_row(1.0, 100.0, 0.02)]
    exact = make_row(1.5, 100.0, image="source", model="theory", method="exact")
    best = at([*rows, exact], 0.01)
    assert (best.J, best.point) == (2.5, (100.0, 1.5, exact.psnr, EXACT))
    assert at([*rows, exact], 0.02).J == 3.0


def test_published_points_of_the_image_compete_by_their_name():
    """VTM's at low rates, Yang & Mandt's above."""
    mine = [make_row(50.0, 1000.0, lmbda, "kodim13", dataset="kodak") for lmbda in (0.001, 0.02)]
    labels = set()
    for row in mine:
        every = {}
        for (name, _, per_image), curve in reference.curves().items():
            if name == "kodak" and per_image:
                every |= {(p.bpp, p.mse): curve.label for p in curve.points if p.image == "kodim13"}
        J = {point: point[0] + row.lmbda * point[1] for point in every}
        winner = min(J, key=J.__getitem__)
        best = at(mine, row.lmbda, "kodim13", "kodak")
        assert pytest.approx(J[winner], rel=1e-12) == best.J
        assert (best.point.bpp, best.point.mse) == winner
        assert best.point.who == every[winner]
        labels.add(best.point.who)
    assert labels == {"vtm-22.0-8bit (8-bit input)", "resnet-vae"}
    named = dataclasses.replace(mine[0], image="kodim13.png")
    assert at([named], 0.001, "kodim13.png", "kodak") == at(mine, 0.001, "kodim13", "kodak")
    # Of an image that nobody published anything of, or of another data set, nothing competes.
    elsewhere = [dataclasses.replace(mine[0], image="mine.png")]
    assert at(elsewhere, 0.001, "mine.png", "kodak").J == mine[0].J
    elsewhere = [dataclasses.replace(mine[0], dataset="toy")]
    assert at(elsewhere, 0.001, "kodim13").J == mine[0].J


def test_the_table_s_own_J_is_kept_to_the_last_digit():
    """A J that differs from bpp + λ·mse by rounding only is still 0 above itself."""
    row = make_row(1.0, 100.0, J=2.0 + 1e-7)
    assert at([row, make_row(2.0, 100.0, 0.02)], 0.01).J == row.J


def test_in_another_distortion_only_J_of_the_same_lambda_competes():
    mine = make_row(1.0, 100.0, J=1.5)
    rows = [mine, make_row(0.5, 100.0, 0.02, J=0.6), make_row(0.2, 1.0, method="codec-ideal")]
    assert not is_squared(mine)
    assert at(rows, 0.01, squared=False).J == 1.5
    better = make_row(1.0, 100.0, model="n", method="codec-coded", J=1.25)
    assert at([*rows, better], 0.01, squared=False) == (
        1.25,
        (100.0, 1.0, mine.psnr, "n codec-coded"),
    )
    # Where nothing is lost, D is 0 in any distortion.
    lossless = make_row(0.9, 0.0, model="n", method="codec-coded")
    assert at([*rows, lossless], 0.01, squared=False).J == 0.9
    # In MSE, a point of a model of another distortion is judged by its MSE.
    assert at([make_row(1.0, 100.0, 0.02), make_row(0.5, 100.0, J=0.6)], 0.02).J == 2.5
