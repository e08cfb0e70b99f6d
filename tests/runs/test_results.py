"""Results are made again from tables alone, and pictures join where they were kept."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rdbound.cli.main import main
from rdbound.evaluation.reconstructions import Pictures
from rdbound.methods import METHODS
from rdbound.models import family_citations
from rdbound.runs.results import cite_run, report_runs
from rdbound.tables.rd import write_table
from tests.report.kodak import kodak_rows

CODED = "codec-coded"


@pytest.fixture
def run(tmp_path):
    """A folder with a table of four images, and pictures of two at the third λ."""
    folder = tmp_path / "run"
    rows = kodak_rows({("res-hyper-4-codec", CODED): 1.25})
    write_table(folder / "rd.csv", rows)
    (folder / "config.yaml").write_text("seed: 7\n")
    rng = np.random.default_rng(0)
    kept = Pictures(folder / "pictures", frozenset({"kodim01", "kodim02"}))
    for image in ("kodim01", "kodim02"):
        pixels = rng.integers(0, 256, (2, 300, 400, 3)).astype(np.uint8)
        kept.keep("res-hyper-4-codec", CODED, image, 0.004, *pixels)
    return folder


def test_a_report_is_made_again_where_the_run_is(run):
    document, folder = report_runs([run], None, "vtm-22.0")
    assert folder == run
    names = {str(p.relative_to(run)) for p in run.rglob("*") if p.suffix != ".webp"}
    assert {
        "report.md",
        "index.html",
        "citations.bib",
        "tables/rd.tex",
        "tables/bd_rate.tex",
        "rd_curve.png",
    } <= names
    assert "tables/gaps.tex" not in names
    page = (run / "index.html").read_text()
    assert page.count('alt="kodim0') == 2 * 2
    assert "kodim01: res-hyper-4-codec, codec-coded, λ = 0.004" in page
    assert "seed: 7" in page
    assert "card of res-hyper-4-codec" in page
    assert len(page) < 2e6
    assert document.title == "kodak"


def test_several_runs_have_one_report(run, tmp_path, capsys):
    other = tmp_path / "other.csv"
    write_table(other, kodak_rows({("mine", CODED): 1.1}))
    assert main(["report", str(run), str(other)]) == 2
    assert "several runs need --output" in capsys.readouterr().err
    assert main(["report", str(run), str(other), "--output", str(tmp_path / "both")]) == 0
    assert "+10.00 %" in (tmp_path / "both" / "report.md").read_text()
    assert main(["report", str(run), str(run), "--output", str(tmp_path / "twice")]) == 2
    assert "two rows" in capsys.readouterr().err


def test_a_row_that_is_missing_leaves_its_method_out_and_nothing_else(tmp_path):
    rows = kodak_rows({("mine", CODED): 1.25, ("mine", "codec-ideal"): 1.2})
    gone = next(r for r in rows if r.method == CODED and r.image == "kodim02")
    write_table(tmp_path / "rd.csv", [r for r in rows if r != gone])
    report_runs([tmp_path], None, "vtm-22.0")
    assert "Left out: mine codec-coded" in (tmp_path / "report.md").read_text()
    bd_rates = (tmp_path / "tables" / "bd_rate.tex").read_text()
    assert "codec-ideal" in bd_rates
    assert CODED not in bd_rates
    assert "codec-ideal" in (tmp_path / "index.html").read_text()


def test_names_of_a_table_lead_nowhere(run, tmp_path):
    (tmp_path / "secret.md").write_text("PRIVATE")
    rows = kodak_rows({(str(tmp_path / "secret"), CODED): 1.25})
    write_table(run / "rd.csv", rows)
    with pytest.raises(ValueError, match="leads out of its folder"):
        report_runs([run], None, "vtm-22.0")
    write_table(run / "rd.csv", [replace(r, model="m", image=f"../../{r.image}") for r in rows])
    with pytest.raises(ValueError, match="leads out of its folder"):
        report_runs([run], None, "vtm-22.0")


def test_cite_prints_sentence_and_entries(run, capsys):
    assert main(["cite", str(run)]) == 0
    out = capsys.readouterr().out
    assert "$+25.0\\,\\%$" in out
    assert "@inproceedings" in out or "@techreport" in out
    assert main(["cite"]) == 0
    assert "@misc{rdbound," in capsys.readouterr().out


def test_a_shipped_model_is_cited_by_its_class_and_no_model_by_its_name(run):
    assert "zhang2025gap" in cite_run(run, "vtm-22.0").keys
    write_table(run / "rd.csv", kodak_rows({("res-hyper-mine", CODED): 1.25}))
    assert "zhang2025gap" not in cite_run(run, "vtm-22.0").keys
    keys = {name: family_citations(name) for name in ("res-context-4", "resnet-vae-small", "mlp")}
    assert keys == {
        "res-context-4": ("zhang2025gap",),
        "resnet-vae-small": ("duan2023qarv",),
        "mlp": (),
    }
    assert family_citations("package.module:Class") == ()


def test_the_picture_kept_is_that_of_the_last_method_that_writes():
    methods = [METHODS[n] for n in ("codec-ideal", CODED, "codec-refined-coded", "floor")]
    kept = Pictures(None, frozenset({"a"}), 0.01)
    wanted = [m.name for m in methods if kept.wants(m, methods, "a", 0.01)]
    assert wanted == ["codec-refined-coded"]
    assert not kept.wants(methods[2], methods, "b", 0.01)
    assert not kept.wants(methods[2], methods, "a", 0.02)
    bounds = [METHODS[n] for n in ("bound", "bound-refined", "floor")]
    assert [m.name for m in bounds if kept.wants(m, bounds, "a", 0.01)] == ["bound-refined"]


def test_a_panorama_is_kept_smaller_than_a_webp_can_be(tmp_path):
    kept, wide = Pictures(tmp_path, frozenset()), np.zeros((4, 16400, 3), np.uint8)
    kept.keep("m", CODED, "a.png", 0.01, wide, wide)
    assert Image.open(kept.original("a.png")).size == (16383, 4)


def test_a_kept_picture_is_near_the_decoded_one(tmp_path):
    grey = np.linspace(0, 255, 64 * 80).reshape(64, 80, 1).repeat(3, 2).astype(np.uint8)
    kept = Pictures(tmp_path, frozenset())
    kept.keep("m", CODED, "sub/a.png", 0.01, grey, 255 - grey)
    for file, expected in (
        (kept.original("sub/a.png"), grey),
        (kept.decoded("m", CODED, "sub/a.png", 0.01), 255 - grey),
    ):
        found = np.asarray(Image.open(file)).astype(float)
        assert np.abs(found - expected).mean() < 3
