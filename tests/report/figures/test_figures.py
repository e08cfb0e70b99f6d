import numpy as np
import pytest

from rdbound.analysis.gaps import PARTS, chain, gaps
from rdbound.report.figures.gaps import gap_figure
from rdbound.report.figures.rd import rd_figure
from rdbound.report.markdown import block_lines
from rdbound.report.sections.gaps import gap_table, modeling_note
from rdbound.report.sections.rd import rd_table
from rdbound.report.write import save_figure
from tests.analysis.test_gaps import make_rows


def test_figures_are_written_as_png_and_vector(tmp_path):
    png, pdf = save_figure(rd_figure(make_rows()), tmp_path / "deep" / "rd")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_axes_carry_units_and_curves_the_data():
    rows = make_rows()
    (axes,) = rd_figure(rows).axes
    assert "bits per pixel" in axes.get_xlabel()
    assert "dB" in axes.get_ylabel()
    lines = {line.get_label(): line for line in axes.lines}
    expected = np.mean([r.bpp for r in rows if r.method == "bound" and r.lmbda == 0.01])
    assert np.isclose(lines["bound"].get_xdata(), expected).any()


def test_kodak_figures_show_the_anchor_with_its_depth():
    (axes,) = rd_figure(make_rows("kodak", ("kodim01", "kodim02"))).axes
    labels = [line.get_label() for line in axes.lines]
    assert "vtm-22.0 (10-bit input)" in labels
    assert "resnet-vae (published bound)" in labels
    assert not any("qres-vae" in label for label in labels), "known only as a mean of 24 images"


def test_references_are_of_the_same_images():
    from rdbound import reference

    (axes,) = rd_figure(make_rows("kodak", ("kodim13",))).axes
    (line,) = (x for x in axes.lines if x.get_label().startswith("vtm"))
    own = {p.bpp for p in reference.find_curve("kodak", "vtm-22.0").points if p.image == "kodim13"}
    assert set(line.get_xdata()) <= own


def test_a_figure_is_of_one_data_set():
    with pytest.raises(ValueError, match="one data set"):
        rd_figure(make_rows("a") + make_rows("b"))


def test_the_total_has_an_interval_of_four_images_or_more():
    for images, label in (("abc", "total"), ("abcd", "total, 95 %")):
        (axes,) = gap_figure(gaps(make_rows(images=tuple(images)))).axes
        assert axes.get_legend().get_texts()[-1].get_text() == label


def test_the_bars_stack_to_the_total():
    found = gaps(make_rows())
    (axes,) = gap_figure(found).axes
    totals = [g.value for g in found if g.gap == "total" and g.image == "mean"]
    tops = {}
    for bar in axes.patches:
        place = round(bar.get_x() + bar.get_width() / 2)
        tops[place] = max(tops.get(place, 0.0), bar.get_y() + bar.get_height())
    np.testing.assert_allclose(sorted(tops.values()), sorted(totals), rtol=1e-9)


def test_the_bars_are_the_parts_that_there_are_each_of_its_own_colour():
    rows = make_rows(lmbdas=(0.01,))
    old = [r for r in rows if r.method != "codec-refined-real"]
    colours = {}
    for some, parts in ((rows, PARTS), (old, [p for p in PARTS if p != "output-rounding"])):
        found = {g.gap: g.value for g in gaps(some) if g.image == "mean"}
        (axes,) = gap_figure(gaps(some)).axes
        bars = {c.get_label(): c.patches[0] for c in axes.containers if hasattr(c, "patches")}
        assert list(bars) == list(reversed(parts))
        for part, bar in bars.items():
            assert np.isclose(bar.get_height(), found[part], rtol=1e-9)
            assert colours.setdefault(part, bar.get_facecolor()) == bar.get_facecolor()
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels[:-1] == list(parts), "from top to bottom as they stack"
    assert len(set(colours.values())) == len(PARTS)


def test_text_says_what_the_modeling_gap_means():
    rows = make_rows()
    found = gaps(rows)
    assert "best one known" in modeling_note(found, chain(rows).best)
    assert any("asymptotic" in line for line in block_lines(gap_table(found)))
    assert len({len(line) for line in block_lines(rd_table(rows))}) == 1
