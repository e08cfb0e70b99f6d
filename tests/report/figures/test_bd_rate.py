import pytest

from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import from_rows, named_anchor
from rdbound.report.figures.bd_rate import bd_rate_figure
from tests.report.kodak import kodak_rows


def test_bars_are_the_bd_rates_against_the_anchor():
    curves = from_rows(kodak_rows({("m", "bound"): 0.8, ("m", "codec-coded"): 1.25}))
    own = curves["kodak", "m", "codec-coded"]
    for anchor, expected in ((named_anchor("vtm-22.0", "kodak"), [-20, 25]), (own, [-36, 0])):
        values = {curve.name: compare(anchor, curve) for curve in curves.values()}
        (axes,) = bd_rate_figure(values, anchor.name).axes
        assert [bar.get_width() for bar in axes.patches] == pytest.approx(expected, abs=1e-3)
        labels = [text.get_text() for text in axes.get_yticklabels()]
        assert labels == ["m bound", "m codec-coded"]
        assert axes.get_xlabel() == f"BD-rate against {anchor.name} (%)"
