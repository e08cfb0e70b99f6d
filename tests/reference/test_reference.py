import pytest

from rdbound import reference


def test_every_curve_has_a_known_source_and_points():
    assert reference.curves()
    for curve in reference.curves().values():
        assert curve.source in reference.POINT_SOURCES
        assert curve.points
        assert curve.kind in ("codec", "bound")


def test_the_anchor_is_per_image_on_all_of_kodak_and_names_its_depth():
    for method, label in (("vtm-22.0", "10-bit"), ("vtm-22.0-8bit", "8-bit")):
        curve = reference.find_curve("kodak", method)
        assert {p.image for p in curve.points} == set(reference.kodak_digests())
        assert label in curve.label


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="no reference 'vtm-99' on kodak: choose one of"):
        reference.find_curve("kodak", "vtm-99")
    with pytest.raises(ValueError, match="no reference for data set 'kodac'"):
        reference.find_curve("kodac", "vtm-22.0")
