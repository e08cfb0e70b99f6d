"""Points of codecs become rows at the slopes of their curves."""

import numpy as np
import pytest

from rdbound.baselines.points import CodecPoint
from rdbound.baselines.rd_rows import codec_rows, curve_slopes


def _point(codec, image, setting, size, mse, ms_ssim=None):
    return CodecPoint(codec, "1.0", image, "d", setting, 800, size, mse, ms_ssim)


@pytest.mark.parametrize("power", [0.7, 1.6])
@pytest.mark.parametrize("count", [2, 3, 9])
def test_the_slope_of_a_power_law_is_known(power, count):
    R = np.geomspace(0.1, 4, count)
    D = 30 * R**-power
    np.testing.assert_allclose(curve_slopes(R, D), R / (power * D), rtol=1e-9)


def test_the_slope_of_high_rate_theory_is_met_to_the_second_order():
    R = np.linspace(1, 4, 61)
    D = 100 * 2.0 ** (-2 * R)
    np.testing.assert_allclose(curve_slopes(R, D), 1 / (2 * np.log(2) * D), rtol=0.005)


def test_one_point_has_a_slope_and_a_flat_curve_a_finite_one():
    assert curve_slopes([0.5], [25.0]) == pytest.approx(0.02)
    assert np.isfinite(curve_slopes([1.0, 2.0, 3.0], [5.0, 5.0, 6.0])).all()
    assert (curve_slopes([1.0, 2.0, 3.0], [5.0, 5.0, 0.0]) > 0).all()


def test_rows_are_points_at_the_slopes_of_means():
    points = [
        _point("a", "x", 10, 100, 40.0, 0.9),
        _point("a", "y", 10, 300, 80.0, 0.8),
        _point("a", "x", 20, 200, 20.0, 0.95),
        _point("a", "y", 20, 600, 40.0, 0.9),
        _point("b", "x", 1, 50, 9.0),
        _point("b", "y", 1, 50, 9.0),
    ]
    rows = codec_rows(points, "set")
    assert [(r.dataset, r.model, r.method, r.image) for r in rows] == [
        ("set", "a", "external-coded", "x"),
        ("set", "a", "external-coded", "y"),
    ] * 2 + [("set", "b", "external-coded", "x"), ("set", "b", "external-coded", "y")]
    # Means (2, 60) and (4, 30): D = 120/R, slope −dR/dD = R/D.
    assert [r.lmbda for r in rows] == pytest.approx(
        [2 / 60, 2 / 60, 4 / 30, 4 / 30, 0.5 / 9, 0.5 / 9]
    )
    first = rows[0]
    assert (first.bits, first.bytes, first.bpp, first.mse) == (800.0, 100, 1.0, 40.0)
    assert first.psnr == pytest.approx(10 * np.log10(255**2 / 40))
    assert pytest.approx(1 + 2 / 60 * 40) == first.J
    assert first.ms_ssim == 0.9


def test_settings_of_one_rate_are_one_the_better():
    points = [
        _point("a", "x", 1, 100, 9.0),
        _point("a", "x", 2, 100, 7.0),
        _point("a", "x", 3, 200, 4.0),
    ]
    rows = codec_rows(points, "set")
    assert [(r.bytes, r.mse) for r in rows] == [(100, 7.0), (200, 4.0)]
