import numpy as np
import pytest

from rdbound.analysis.curves import ImageCurves, Points, mean_curve


def _points(bpp, psnr):
    psnr = np.asarray(psnr, float)
    return Points(np.asarray(bpp, float), psnr, 255.0**2 * 10 ** (-psnr / 10))


def test_a_mean_curve_is_of_rates_of_decibels_and_of_errors_each_by_itself():
    """PSNR is averaged in dB: above that of the mean MSE, which stands beside it."""
    one, other = _points([0.1, 0.4], [30.0, 34.0]), _points([0.5, 0.8], [40.0, 42.0])
    found = mean_curve(ImageCurves("d", "c", {"a": one, "b": other}))
    np.testing.assert_allclose(found.bpp, [0.3, 0.6])
    np.testing.assert_allclose(found.psnr, [35.0, 38.0])
    np.testing.assert_allclose(found.mse, 255.0**2 * np.array([
        (1e-3 + 1e-4) / 2, (10**-3.4 + 10**-4.2) / 2]))  # fmt: skip
    assert (found.psnr > 10 * np.log10(255.0**2 / found.mse) + 1.0).all()


def test_images_of_different_lengths_have_no_mean():
    images = {"a": _points([0.1, 0.4], [30.0, 34.0]), "b": _points([0.5], [40.0])}
    with pytest.raises(ValueError, match=r"c: images have \[1, 2\] points"):
        mean_curve(ImageCurves("d", "c", images))
