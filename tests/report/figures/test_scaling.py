"""The figures of sizes, on tables made by hand."""

import numpy as np
import pytest

from rdbound.analysis.model_size import scaling
from rdbound.report.figures.scaling import gain_figure, separation_figure, size_figure
from tests.analysis.test_model_size import SIZES, _anchor, rows_by_size


@pytest.fixture(scope="module")
def found():
    return scaling(rows_by_size(shift=0.1), _anchor(), SIZES)


def test_lines_carry_sizes_and_rates(found):
    (axes,) = size_figure(found, "bound", "toy").axes
    drawn = {c.get_label(): c for c in axes.containers}
    assert drawn.keys() == {"net, amortized", "net, refined", "other, amortized"}
    line = drawn["net, refined"].lines[0]
    np.testing.assert_allclose(np.asarray(line.get_xdata(), float), [10.0, 20.0])
    # The mean over images of (1 + 0.1·n)·rate is 1.2 times the rate.
    np.testing.assert_allclose(
        np.asarray(line.get_ydata(), float), [100 * (1.2 * r - 1) for r in (1.2, 1.0)]
    )
    assert axes.get_xscale() == "log"


def test_bars_carry_gains_and_gaps(found):
    (axes,) = gain_figure(found).axes
    heights = {
        c.get_label(): [bar.get_height() for bar in c]
        for c in axes.containers
        if hasattr(c, "patches")
    }
    np.testing.assert_allclose(heights["bound"], [100 * (1.2 / 1.5 - 1), 100 * (1 / 1.1 - 1)])
    np.testing.assert_allclose(heights["codec"], [100 * (1.6 / 2 - 1), 100 * (1.7 / 1.9 - 1)])
    (axes,) = separation_figure(found).axes
    heights = {
        c.get_label(): [bar.get_height() for bar in c]
        for c in axes.containers
        if hasattr(c, "patches")
    }
    np.testing.assert_allclose(heights["refined"], [100 * (1.6 / 1.2 - 1), 100 * (1.7 / 1 - 1)])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["net-1", "net-2"]


def test_bars_of_amortized_curves_alone_are_named_by_size():
    rows = [row for row in rows_by_size(shift=0.1) if "refined" not in row.method]
    found = scaling(rows, _anchor(), SIZES | {"net-1": 100.0})
    (axes,) = separation_figure(found).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["net-2", "net-1"]
    (bars,) = [c for c in axes.containers if c.get_label() == "amortized"]
    middles = {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in bars}
    np.testing.assert_allclose(sorted(middles), [-0.19, 0.81])
    # Rates of the codec over those of the bound: 2/1.5 of net-1, 1.9/1.1 of net-2.
    heights = [middles[at] for at in sorted(middles)]
    np.testing.assert_allclose(heights, [100 * (1.9 / 1.1 - 1), 100 * (2 / 1.5 - 1)])
