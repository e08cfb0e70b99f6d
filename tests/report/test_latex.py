"""Tables for papers: every number, its columns, its caption."""

import re

import pytest

from rdbound.analysis.gaps import gaps
from rdbound.report.latex import bd_rate_latex, escaped, gap_latex, rd_latex
from tests.analysis.test_gaps import make_rows
from tests.report.kodak import kodak_rows

FACTORS = {("a_model", "bound"): 0.8, ("a_model", "codec-coded"): 1.25}


def _body(text):
    """The cells between the rules."""
    inner = text.split("\\midrule\n")[1].split("    \\bottomrule")[0]
    return [line.strip().removesuffix(" \\\\").split(" & ") for line in inner.splitlines()]


def test_marks_of_latex_are_escaped():
    assert escaped("a_b & 5 % {c} #1 λ~x^2\\") == (
        r"a\_b \& 5 \% \{c\} \#1 $\lambda$\textasciitilde{}x\textasciicircum{}2\textbackslash{}"
    )


def test_the_table_holds_the_means():
    rows = kodak_rows(FACTORS)
    text = rd_latex(rows)
    body = _body(text)
    own = [r for r in rows if r.method == "bound" and r.lmbda == 0.004]
    cells = next(c for c in body if c[0] == "bound" and c[2] == "0.004")
    assert cells[1] == r"a\_model"
    for cell, name in zip(cells[3:], ("bpp", "psnr", "mse", "J", "ms_ssim"), strict=True):
        mean = sum(getattr(r, name) for r in own) / 4
        assert float(cell) == pytest.approx(mean, abs=0.0051 if name in ("psnr", "mse") else 6e-5)
    assert len(body) == 2 * len({r.lmbda for r in rows})
    assert [c[0] for c in body] == sorted(c[0] for c in body)
    assert "means over 4 images" in text
    assert text.count("\\toprule") == 1


def test_bd_rates_stand_beside_the_anchor_and_its_depth():
    text = bd_rate_latex(kodak_rows(FACTORS), "vtm-22.0")
    assert "against vtm-22.0 (10-bit input) on kodak" in text
    assert "averaged over 4" in text
    body = {cells[0]: cells[2:] for cells in _body(text)}
    assert body["bound"] == ["-20.00", "-20.00", "-20.00"]
    assert body["codec-coded"] == ["+25.00", "+25.00", "+25.00"]
    assert "S[table-format=+2.2, retain-explicit-plus]" in text


def test_what_has_no_anchor_has_no_table_of_bd_rates():
    assert bd_rate_latex(make_rows(), "vtm-22.0") is None
    assert gap_latex([]) is None


def test_gaps_are_their_means_by_lmbda():
    found = gaps(make_rows())
    text = gap_latex(found)
    body = {cells[0]: [float(c) for c in cells[1:]] for cells in _body(text)}
    for name in ("digitization", "total"):
        expected = [g.value for g in found if g.gap == name and g.image == "mean"]
        assert body[name] == pytest.approx(expected, abs=6e-5)
    assert re.findall(r"\\lambda = ([\d.]+)", text) == ["0.002", "0.01", "0.05"]
