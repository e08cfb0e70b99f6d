"""Whom a run cites, and what it says of itself."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rdbound.report.citations import bibliography, cited_keys, citing
from rdbound.report.latex import sentence_latex
from tests.analysis.test_gaps import make_rows
from tests.report.kodak import kodak_rows


def test_only_what_was_used_is_cited():
    bound = kodak_rows({("mine", "bound"): 1.0})
    assert cited_keys(bound, "vtm-22.0") == (
        "rdbound",
        "yang2022sandwich",
        "wang2003msssim",
        "bjontegaard2001",
        "bross2021vvc",
        "kodak",
    )
    coded = kodak_rows({("res-hyper-4-codec", "codec-refined-coded"): 1.0})
    models = {"res-hyper-4-codec": ("zhang2025gap",), "another": ("duan2023qarv",)}
    assert cited_keys(coded, "jpeg", models) == (
        "rdbound",
        "yang2020improving",
        "bamler2022ans",
        "zhang2025gap",
        "wang2003msssim",
        "bjontegaard2001",
        "kodak",
    )
    gaps = cited_keys(make_rows(), "vtm-22.0")
    assert gaps == (
        "rdbound",
        "zhang2025gap",
        "yang2022sandwich",
        "bamler2022ans",
        "yang2020improving",
    )


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("bound-rec-coded", "flamich2020rec"),
        ("bound-layered-coded", "hegazy2022randomized"),
        ("codec-dithered-coded", "agustsson2020universal"),
        ("bound-vbq-coded", "yang2020vbq"),
        ("codec-refined-soft-ideal", "agustsson2020universal"),
        ("codec-bits-back-coded", "yang2020improving"),
    ],
)
def test_every_coder_and_relaxation_has_its_source(method, key):
    assert key in cited_keys(kodak_rows({("m", method): 1.0}), "vtm-22.0")


def test_entries_are_bibtex():
    text = bibliography(("kodak", "zhang2025gap"))
    assert re.findall(r"^@\w+\{(\w+),$", text, re.M) == ["kodak", "zhang2025gap"]
    for entry in text.split("\n\n"):
        assert entry.count("{") == entry.count("}")
        assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+) = ", entry, re.M))
    everything = bibliography(cited_keys(make_rows(), "vtm-22.0"))
    assert everything.count("\n@") == 4
    with pytest.raises(KeyError):
        bibliography(["nobody2000"])


def test_the_sentence_tells_interval_range_anchor_and_convention():
    rows = kodak_rows(
        {
            ("m_1", "bound"): 1.0,
            ("m_1", "bound-refined"): 0.7,
            ("m_1", "codec-ideal"): 1.1,
            ("m_1", "codec-coded"): 1.2,
        }
    )
    bound, coded = map(sentence_latex, citing(rows, "vtm-22.0").sentences)
    assert "an upper bound on the rate--distortion function by m\\_1 after 300 steps" in bound
    assert "$-30.0\\,\\%$ (95\\,\\% interval over images $[-30.0, -30.0]$)" in bound
    assert "against vtm-22.0 (10-bit input)" in bound
    last = max(r.lmbda for r in rows)
    assert f"for $\\lambda$ from 0.001 to {last:.4g} in $R + \\lambda D$" in bound
    assert "on 0--255 (rates are relative entropies of" in bound
    assert "reconstructions real-valued)" in bound
    assert "the rate of coded files by m\\_1 lies at $+20.0\\,\\%$" in coded
    assert "sizes of whole files, 8-bit reconstructions" in coded


def test_without_an_anchor_it_tells_the_points():
    rows = [r for r in make_rows() if r.method == "bound"]
    worse = 10 * np.log10(16)  # dB of one image's, so that the two means differ
    rows = [replace(r, mse=16 * r.mse, psnr=r.psnr - worse) if r.image == "a" else r for r in rows]
    (sentence,) = map(sentence_latex, citing(rows, "vtm-22.0").sentences)
    for lmbda in (0.002, 0.01, 0.05):
        own = [r for r in rows if r.lmbda == lmbda]
        bpp, mse = (sum(getattr(r, n) for r in own) / 3 for n in ("bpp", "mse"))
        psnr = 10 * np.log10(255**2 / mse)  # below the mean of PSNRs: a point of the bound
        assert f"{bpp:.4f} at {psnr:.2f}\\,dB" in sentence
    assert "PSNR of the mean MSE" in sentence


def test_it_tells_the_distortion_and_the_rate_that_are_meant():
    rows = [r for r in make_rows() if r.method == "codec-coded"]
    (squared,) = map(sentence_latex, citing(rows, "vtm-22.0").sentences)
    assert "$D$ the mean squared error on 0--255 (sizes of whole files, 8-bit rec" in squared
    others = [replace(r, J=r.bpp + 0.1 * r.lmbda) for r in rows]
    (other,) = map(sentence_latex, citing(others, "vtm-22.0").sentences)
    assert "$D$ the distortion that the model was trained for (" in other
    blocks = [replace(r, image=f"block-{r.image}") for r in rows]
    (vectors,) = map(sentence_latex, citing(blocks, "jpeg").sentences)
    assert "$D$ the mean squared error (sizes of whole files)" in vectors
    back = [replace(r, method="codec-bits-back-coded") for r in rows]
    assert "sizes of files less what rides along" in citing(back, "vtm-22.0").sentences[0][-1]
