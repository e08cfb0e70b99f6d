import dataclasses

import pytest

from rdbound.analysis.curves import from_rows
from rdbound.analysis.gaps import gaps
from rdbound.analysis.image_sets import bare_names, check_images, uneven
from rdbound.report.figures.rd import rd_figure
from rdbound.report.sections.rd import rd_report, rd_table
from tests.analysis.test_gaps import make_rows

WORDS = "means at different λ would be over different images"


def _without(method, image, lmbda):
    return [r for r in make_rows() if (r.method, r.image, r.lmbda) != (method, image, lmbda)]


def test_names_lose_the_suffix_of_a_file_unless_two_become_one():
    assert bare_names(["a.png", "sub/b.JPG", "c.v2", "d"]) == {
        "a.png": "a",
        "sub/b.JPG": "sub/b",
        "c.v2": "c.v2",
        "d": "d",
    }
    assert bare_names(["a.png", "a.jpg", "b.png"]) == {
        "a.png": "a.png",
        "a.jpg": "a.jpg",
        "b.png": "b.png",
    }


def test_images_that_differ_between_slopes_are_named_with_them():
    check_images("mine", [(1.0, "a"), (1.0, "b"), (2.0, "b"), (2.0, "a")])
    with pytest.raises(ValueError, match=f"^mine: {WORDS}: λ = 1 lacks b; λ = 2 lacks a$"):
        check_images("mine", [(1.0, "a"), (2.0, "b")])
    many = [(1.0, "z"), *((2.0, image) for image in "abcdez")]
    with pytest.raises(ValueError, match=r"λ = 1 lacks a, b, c, 2 more$"):
        check_images("mine", many)


def test_each_curve_is_judged_by_itself():
    assert uneven(make_rows()) == {}
    rows = _without("codec-ideal", "b", 0.01)
    fault = f"c codec-ideal: {WORDS}: λ = 0.01 lacks b"
    assert uneven(rows) == {("toy", "c", "codec-ideal"): fault}
    for average in (from_rows, rd_table):
        with pytest.raises(ValueError, match=f"^{fault}$"):
            average(rows)


def test_gaps_are_of_the_same_images_at_every_slope():
    with pytest.raises(ValueError, match=f"gaps: {WORDS}: λ = 0.01 lacks b"):
        gaps(_without("codec-ideal", "b", 0.01))


def test_a_report_leaves_out_what_is_uneven_and_says_so():
    points, *_ = rd_report(_without("bound", "b", 0.01), "vtm-22.0").sections
    table, note, figure = points.blocks
    assert {row[0] for row in table.rows} == {
        "bound-refined",
        "codec-ideal",
        "codec-coded",
        "codec-refined-ideal",
        "codec-refined-real",
        "codec-refined-coded",
    }
    assert note.text == f"Left out: b bound: {WORDS}: λ = 0.01 lacks b."
    labels = [line.get_label() for line in figure.figure.axes[0].lines]
    assert "bound-refined" in labels
    assert "bound" not in labels
    nothing_even = [r for r in _without("bound", "b", 0.01) if r.method == "bound"]
    assert rd_report(nothing_even, "vtm-22.0").sections[0].blocks[0].rows == ()


def test_a_figure_is_of_curves_over_the_same_images():
    rows = [r for r in make_rows() if (r.method, r.image) != ("codec-coded", "b")]
    message = "c codec-coded is of 2 images and b bound of 3, not the same ones"
    with pytest.raises(ValueError, match=message):
        rd_figure(rows)
    (_, note) = rd_report(rows, "vtm-22.0").sections[0].blocks
    assert note.text.startswith(f"not drawn: {message}")


def test_a_folder_of_kodak_is_drawn_with_the_published_curves():
    rows = make_rows("kodak", ("kodim01", "kodim02"))
    files = [dataclasses.replace(r, image=f"{r.image}.png") for r in rows]
    expected, found = (
        {line.get_label(): list(line.get_xdata()) for line in rd_figure(some).axes[0].lines}
        for some in (rows, files)
    )
    assert found == expected
    assert "vtm-22.0 (10-bit input)" in found
