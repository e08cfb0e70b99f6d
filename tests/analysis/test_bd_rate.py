import numpy as np
import pytest

from rdbound import reference
from rdbound.analysis.bd_rate import INTERPOLATIONS, compare, rate_difference
from rdbound.analysis.curves import ImageCurves, Points, from_reference


def _curve(bpp, psnr):
    psnr = np.asarray(psnr, float)
    return Points(np.asarray(bpp, float), psnr, 255.0**2 * 10 ** (-psnr / 10))


def _published(method, per_image=False):
    return from_reference(reference.curves()["kodak", method, per_image])


@pytest.mark.parametrize(("method", "expected"), [("resnet-vae", -19.2), ("base-hyperprior", 28.5)])
def test_published_figures_against_vtm_18_are_reproduced(method, expected):
    found = compare(_published("vtm-18.0"), _published(method)).value
    assert found == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("anchor", "expected"), [("vtm-22.0", -16.9), ("vtm-22.0-8bit", -20.4)])
def test_the_anchors_bit_depth_moves_bd_rate_by_three_points(anchor, expected):
    found = compare(_published(anchor, True), _published("resnet-vae", True))
    assert found.value == pytest.approx(expected, abs=0.1)
    assert len(found.images) == 24
    low, high = found.interval
    assert low < found.value < high


@pytest.mark.parametrize("method", INTERPOLATIONS)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_a_curve_of_scaled_rate_differs_by_the_scale(method, factor):
    bpp, psnr = np.array([0.1, 0.2, 0.4, 0.8, 1.6]), np.array([28.0, 30.5, 33.5, 36.5, 40.0])
    found = rate_difference(_curve(bpp, psnr), _curve(factor * bpp, psnr), method)
    assert found == pytest.approx(100 * (factor - 1), abs=1e-6)


def test_too_little_overlap_is_an_error_with_the_ranges():
    a = _curve([0.1, 0.2, 0.4, 0.8], [28, 30, 32, 34])
    b = _curve([0.1, 0.2, 0.4, 0.8], [33.1, 35, 37, 39])
    with pytest.raises(ValueError, match=r"33.10–39.00 dB and the anchor's 28.00–34.00 dB"):
        rate_difference(a, b)


def test_a_curve_that_is_not_monotone_is_an_error_with_its_points():
    a = _curve([0.1, 0.2, 0.4, 0.8], [28, 30, 32, 34])
    b = _curve([0.1, 0.2, 0.4, 0.8], [28, 31, 30.5, 34])
    with pytest.raises(ValueError, match=r"does not rise .*\(0.4000, 30.50\)"):
        rate_difference(a, b, name="mine")


def test_too_few_points_and_unknown_methods_are_errors():
    a = _curve([0.1, 0.2], [28, 30])
    with pytest.raises(ValueError, match="at least 3"):
        rate_difference(a, a)
    with pytest.raises(ValueError, match="unknown interpolation 'linear'"):
        rate_difference(a, a, "linear")


def test_means_over_different_images_are_refused():
    some = _published("resnet-vae", True)
    some = ImageCurves("kodak", "some", {i: some.images[i] for i in ("kodim02", "kodim13")})
    with pytest.raises(ValueError, match=r"some averages 2 images, vtm-18.0 24 images, and means"):
        compare(_published("vtm-18.0"), some)
    assert compare(_published("vtm-22.0", True), some).images.keys() == {"kodim02", "kodim13"}


def _mean(name, count, factor=1.0):
    """Of 4 points whose rate is ``factor`` times another's."""
    curve = _curve(factor * np.array([0.1, 0.2, 0.4, 0.8]), [28, 30, 32, 34])
    return ImageCurves("d", name, {"": curve}, count)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((24, 3), "test averages 3 images, anchor 24 images, .*: compare single images"),
        ((24, None), "test averages an unknown number of images, anchor 24 .*: give their number"),
        ((None, None), "anchor an unknown number"),
        ((1, 2), "test averages 2 images, anchor 1 image,"),
    ],
)
def test_means_over_other_or_unknown_numbers_of_images_are_compared_only_when_told(counts, message):
    anchor, test = _mean("anchor", counts[0]), _mean("test", counts[1], 1.25)
    with pytest.raises(ValueError, match=message):
        compare(anchor, test)
    found = compare(anchor, test, unequal=True)
    assert found.value == pytest.approx(25.0)
    assert found.averaged == counts


def test_a_bd_rate_says_of_how_many_images_it_is():
    means = compare(_mean("anchor", 24), _mean("test", 24, 1.25))
    assert str(means) == "+25.00 % (of means: 24 images against 24 images)"
    unequal = compare(_mean("anchor", 24), _mean("test", None, 1.25), unequal=True)
    assert str(unequal) == "+25.00 % (of means: an unknown number of images against 24 images)"
    for names, expected in (
        ("abcd", "+25.00 % [+25.00, +25.00] (per image, 4 images)"),
        ("abc", "+25.00 % (per image, 3 images)"),
        ("a", "+25.00 % (per image, 1 image)"),
    ):
        anchor, test = (
            ImageCurves("d", "x", dict.fromkeys(names, _mean("x", None, factor).images[""]))
            for factor in (1.0, 1.25)
        )
        assert str(compare(anchor, test)) == expected


def test_a_rate_of_nothing_is_an_error():
    anchor = _curve([0.1, 0.2, 0.4, 0.8], [28, 30, 32, 34])
    nothing = _curve([0.0, 0.2, 0.4, 0.8], [27, 30, 32, 34])
    with pytest.raises(ValueError, match=r"mine: a rate of 0 bits at 27.00 dB is in no ratio"):
        rate_difference(anchor, nothing, name="mine")


def test_no_common_image_is_an_error():
    a = ImageCurves("d", "a", {"x": _curve([1, 2, 3], [1, 2, 3])})
    b = ImageCurves("d", "b", {"y": _curve([1, 2, 3], [1, 2, 3])})
    with pytest.raises(ValueError, match="no image in common"):
        compare(a, b)
