import dataclasses

import numpy as np
import pytest

from rdbound.analysis.curves import (
    ImageCurves,
    Points,
    anchor_on,
    from_rows,
    mean_curve,
    read_curves,
)
from rdbound.tables.rd import write_table
from tests.analysis.test_gaps import make_rows

POINTS = "{0},0.5,30\n{0},1.0,33\n{1},0.7,31\n{1},1.4,36\n"


def _write(path, text):
    path.write_text(text)
    return path


def test_a_curve_of_a_table_has_its_points_by_image():
    rows = make_rows(images=("a", "mean.png"))
    curve = from_rows(rows)["toy", "b", "bound"]
    assert curve.per_image
    assert curve.images.keys() == {"a", "mean"}, "an image of that name is not the mean"
    expected = sorted(r.bpp for r in rows if r.method == "bound" and r.image == "a")
    assert list(curve.images["a"].bpp) == expected


def test_a_mean_is_point_by_point(tmp_path):
    (curve,) = read_curves(
        _write(tmp_path / "x.csv", "image,bpp,psnr\n" + POINTS.format(*"ab")), "kodak"
    )
    mean = mean_curve(curve)
    np.testing.assert_allclose(mean.bpp, (0.6, 1.2))
    np.testing.assert_allclose(mean.psnr, (30.5, 34.5))
    mse = [255.0**2 * np.mean([10 ** (-p / 10), 10 ** (-q / 10)]) for p, q in ((30, 31), (33, 36))]
    np.testing.assert_allclose(mean.mse, mse)


def test_a_mean_of_unlike_images_is_refused():
    two, one = (Points(*(np.arange(1.0, 1.0 + n) for _ in range(3))) for n in (2, 1))
    with pytest.raises(ValueError, match="mine: b has 1 points and a 2"):
        mean_curve(ImageCurves("kodak", "mine", {"a": two, "b": one}))


def test_a_plain_curve_is_of_images_files_or_means(tmp_path):
    path = tmp_path / "x.csv"
    for names in (("a", "b"), ("a.png", "b.png")):
        (curve,) = read_curves(_write(path, "image,bpp,psnr\n" + POINTS.format(*names)), "kodak")
        assert (curve.images.keys(), curve.averaged) == ({"a", "b"}, 2)
    _write(path, "bpp,psnr\n0.5,30\n1,33\n")
    for told, averaged in ((None, None), (24, 24)):
        (curve,) = read_curves(path, "kodak", told)
        assert (curve.per_image, curve.averaged) == (False, averaged)


def test_a_count_that_the_file_belies_is_refused(tmp_path):
    path = _write(tmp_path / "x.csv", "bpp,psnr,images\n0.5,30,3\n1,33,3\n")
    assert read_curves(path, "kodak", 3)[0].averaged == 3
    with pytest.raises(ValueError, match=r"x.csv: holds 3 images as their mean, not a mean of 24"):
        read_curves(path, "kodak", 24)
    _write(path, "image,bpp,psnr\n" + POINTS.format(*"ab"))
    with pytest.raises(ValueError, match=r"x.csv: holds 2 single images, not a mean of 24"):
        read_curves(path, "kodak", 24)


def test_an_anchor_of_other_data_sets_is_none_and_an_unknown_one_a_mistake():
    assert anchor_on("vtm-22.0", "kodak").name == "vtm-22.0 (10-bit input)"
    for dataset in ("photographs", "tecnick"):  # the second has other published curves
        assert anchor_on("vtm-22.0", dataset) is None
        with pytest.raises(ValueError, match="no reference 'vtm-22': choose a CSV, TABLE"):
            anchor_on("vtm-22", dataset)
    with pytest.raises(ValueError, match=r"mine\.csv"):
        anchor_on("mine.csv", "photographs")


def test_what_is_wrong_with_a_table_names_the_file(tmp_path):
    rows = make_rows()
    write_table(tmp_path / "rd.csv", rows[1:])
    with pytest.raises(ValueError, match=r"rd.csv: b bound: means at different λ .*: λ = 0.002 l"):
        read_curves(tmp_path / "rd.csv", "toy")
    lines = (tmp_path / "rd.csv").read_text().replace("J_se", "se")
    with pytest.raises(ValueError, match="not an RD table, it lacks the column J_se"):
        read_curves(_write(tmp_path / "rd.csv", lines), "toy")
    write_table(tmp_path / "rd.csv", [dataclasses.replace(r, dataset="other") for r in rows])
    with pytest.raises(ValueError, match=r"rd.csv: holds no row of the data set 'toy'"):
        read_curves(tmp_path / "rd.csv", "toy")


def _points(bpp, psnr):
    psnr = np.asarray(psnr, float)
    return Points(np.asarray(bpp, float), psnr, 255.0**2 * 10 ** (-psnr / 10))


def test_by_ms_ssim_quality_is_what_lacks_to_one_in_decibels():
    rows = make_rows()
    found = from_rows(
        [dataclasses.replace(r, ms_ssim=1 - 10 ** (-r.psnr / 30)) for r in rows], "ms-ssim"
    )
    for key, curve in from_rows(rows).items():
        for image, points in curve.images.items():
            np.testing.assert_allclose(found[key].images[image].psnr, points.psnr / 3)
            np.testing.assert_array_equal(found[key].images[image].bpp, points.bpp)


def test_a_mean_curve_is_of_rates_of_decibels_and_of_errors_each_by_itself():
    """PSNR is averaged in dB: above that of the mean MSE, which stands beside it."""
    one, other = _points([0.1, 0.4], [30.0, 34.0]), _points([0.5, 0.8], [40.0, 42.0])
    found = mean_curve(ImageCurves("d", "c", {"a": one, "b": other}))
    np.testing.assert_allclose(found.bpp, [0.3, 0.6])
    np.testing.assert_allclose(found.psnr, [35.0, 38.0])
    np.testing.assert_allclose(
        found.mse, 255.0**2 * np.array([(1e-3 + 1e-4) / 2, (10**-3.4 + 10**-4.2) / 2])
    )
    assert (found.psnr > 10 * np.log10(255.0**2 / found.mse) + 1.0).all()
