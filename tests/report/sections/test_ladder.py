"""The ladder in a report: its cells and its bars."""

import dataclasses

import matplotlib
import pytest

from rdbound.analysis.channel_ladder import ladder
from rdbound.report.document import Picture, Table
from rdbound.report.figures.ladder import ladder_figure
from rdbound.report.sections.ladder import ladder_section
from rdbound.report.sections.rd import rd_report
from tests.analysis.test_channel_ladder import LMBDAS, RATES, _rows


def test_every_rung_and_trade_off_has_its_cells():
    section = ladder_section(_rows())
    bits, rates = (b for b in section.blocks if isinstance(b, Table))
    assert len(bits.rows) == 7 * len(LMBDAS)
    row = next(r for r in bits.rows if r[0] == "bound-layered-ideal" and r[2] == "0.002")
    assert row[3:] == (f"{1.0 + 0.7213:.4f}", "+0.2000", "+0.0400")
    row = next(r for r in rates.rows if r[0] == "bound-layered-ideal")
    assert row == (
        "bound-layered-ideal",
        "b",
        "bound",
        "+25.00 % (per image, 2 images)",
        "+4.00 % (per image, 2 images)",
    )
    assert next(r for r in rates.rows if r[0] == "bound-prior-scaled")[4] == "–"
    assert "bound" not in {r[0] for r in rates.rows}, "it stands against itself"


def test_bars_are_as_long_as_the_parts():
    rungs = ladder(_rows())
    figure = ladder_figure(rungs, 2)
    assert len(figure.axes) == len(LMBDAS)
    axes = figure.axes[0]
    bars = [p for p in axes.patches if isinstance(p, matplotlib.patches.Rectangle)]
    J = 2 * RATES["bound"] + 0.7213
    place = [r.method for r in rungs].index("bound-layered-ideal")
    lengths = [(b.get_x(), b.get_width()) for b in bars if b.get_y() == pytest.approx(place - 0.31)]
    first, second = 20 / J, 4 / J
    assert lengths[0] == pytest.approx((0, first), rel=1e-3)
    assert lengths[1] == pytest.approx((first, second), rel=1e-3)
    assert f"{first + second:+.1f}" in [t.get_text() for t in axes.texts]


def test_no_rung_is_no_figure():
    with pytest.raises(ValueError, match="at least one rung"):
        ladder_figure([], 1)


def test_the_report_has_a_ladder_where_rungs_were_asked_for():
    titles = lambda rows: [s.title for s in rd_report(rows, "vtm-22.0").sections]  # noqa: E731
    ladder_title = "The ladder, from the bound to bytes"
    assert ladder_title in titles(_rows())
    assert ladder_title not in titles(_rows(methods=["bound", "codec-ideal", "codec-coded"]))
    two_bounds = _rows() + [dataclasses.replace(r, model="other") for r in _rows(methods=["bound"])]
    section = next(s for s in rd_report(two_bounds, "vtm-22.0").sections if "ladder" in s.title)
    assert "not computed: choose the bound's model" in section.blocks[0].text
    assert any(
        isinstance(b, Picture)
        for s in rd_report(_rows(), "vtm-22.0").sections
        for b in s.blocks
        if getattr(b, "stem", "") == "ladder"
    )
