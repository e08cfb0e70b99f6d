"""From Python what the commands do: the same rows, whatever the images are given as."""

import dataclasses
import re
import sys
from functools import partial
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import rdbound
from rdbound import api
from rdbound.api import image_set
from rdbound.checkpoints.checkpoint import load, save_checkpoint
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import ImageExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.images.sets import open_images
from rdbound.methods import form_of
from rdbound.optimization.refinement import RefinementOptions
from rdbound.tables.rd import RDTable, read_table
from tests.analysis.test_gaps import make_rows
from tests.toy import OUTSIDE, SPEC, Toy


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(bound, codec) of the toy, as loaded checkpoints."""
    folder = tmp_path_factory.mktemp("pair")
    found = []
    for form in ("bound", "codec"):
        file = save_checkpoint(folder / f"{form}.safetensors", Toy(form), SPEC | {"form": form})
        found.append(load(str(file), OUTSIDE))
    return found


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_rows_are_those_of_an_evaluation(pair, image):
    found = rdbound.bound(image, pair[0], [0.01], steps=8, samples=3, seed=5)
    options = EvaluationOptions(
        (0.01,), 3, RefinementOptions(8), methods=("bound", "bound-refined"), seed=5
    )
    expected = evaluate(pair[0], ImageExamples(image_set(image)), options)
    assert found == list(expected)
    assert [row.method for row in found] == ["bound", "bound-refined"]
    assert found[1].J < found[0].J
    assert [r.method for r in rdbound.bound(image, pair[0], [0.01])] == ["bound"]


def _known(of, form, *args, **options):
    """A table whose curves have BD-rates, for arguments that ``of`` takes."""
    of.bind(*args, **options)
    return RDTable(row for row in make_rows() if form_of(row.method) == form)


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/own_images.md"])
def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch, page):
    text = (Path(__file__).parents[1] / page).read_text()
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "rdbound.gaps(" in b]
    monkeypatch.chdir(tmp_path)
    for name, form in (("bound", "bound"), ("code", "codec")):
        monkeypatch.setattr(api, name, partial(_known, signature(getattr(api, name)), form))
    exec(block, {})
    assert Path("rd.pdf").stat().st_size > 1000


def test_bytes_are_those_of_the_codec(pair, image, tmp_path):
    ideal, row = rdbound.code(image, pair[1], [0.01], streams=tmp_path)
    assert (ideal.method, row.method) == ("codec-ideal", "codec-coded")
    assert ideal.bits < row.bits < ideal.bits + 8 * 60
    data = rdbound.Codec(pair[1].model, pair[1].tables).encode(image, 0.01).data
    assert row.bytes == len(data)
    assert next(tmp_path.rglob("*.rdb")).read_bytes() == data
    of = {r.method: r for r in rdbound.code(image, pair[1], [0.01], steps=40)}
    assert set(of) == {
        "codec-ideal",
        "codec-coded",
        "codec-refined-ideal",
        "codec-refined-real",
        "codec-refined-coded",
    }
    assert of["codec-coded"].bytes == row.bytes
    assert of["codec-refined-coded"].J < row.J
    dithered = rdbound.code(image, pair[1], [0.01], coder="dithered")
    assert [r.method for r in dithered] == ["codec-dithered-ideal", "codec-dithered-coded"]
    rec = rdbound.code(image, pair[0], [0.01], coder="rec")
    assert [r.method for r in rec] == ["bound-rec-ideal", "bound-rec-coded"]


def test_a_bound_and_its_codec_have_gaps(pair, image):
    table = rdbound.bound(image, pair[0], [0.01], steps=8, samples=2)
    table += rdbound.code(image, pair[1], [0.01], steps=20)
    of = {g.gap: g.value for g in rdbound.gaps(table) if g.image == "image-0"}
    J = {row.method: row.J for row in table}
    assert of["asymptotic"] == pytest.approx(J["codec-coded"] - J["codec-ideal"])
    assert of["digitization"] == pytest.approx(J["codec-refined-real"] - J["bound-refined"])


def test_lmbdas_are_by_default_all_that_is_served(pair, image):
    found = rdbound.bound(image, pair[0], samples=1)
    assert [row.lmbda for row in found] == [0.0018, 0.0054, 0.0162, 0.0483]


def test_images_are_what_a_user_has(tmp_path, image):
    file = tmp_path / "one.png"
    Image.fromarray(image).save(file)
    for given in (file, str(file), tmp_path, image, [image], image[None], [file]):
        found = image_set(given)
        assert len(found) == 1
        np.testing.assert_array_equal(found[0], image)
    both = image_set([file, image])
    assert both.names == ("one.png", "image-1")
    assert image_set("bundled").names == open_images("bundled").names
    assert image_set(both) is both
    for wrong, message in (
        (image / 255.0, "expected a path or uint8"),
        (image[..., 0], "expected a path or uint8"),
        ([], "no images"),
        ([file, file], "same name: one.png, one.png"),
        (tmp_path / "two.png", "no such file"),
    ):
        with pytest.raises(ValueError, match=message):
            image_set(wrong)


def test_what_cannot_be_is_refused(pair, image):
    with pytest.raises(ValueError, match="of form 'codec', and a bound is asked for"):
        rdbound.bound(image, pair[1])
    with pytest.raises(ValueError, match="unknown coder 'zip': choose one of bits-back, dithered"):
        rdbound.code(image, pair[1], coder="zip")
    with pytest.raises(ValueError, match="'dithered' codes what the networks infer"):
        rdbound.code(image, pair[1], coder="dithered", steps=5)


def test_a_table_adds_prints_and_is_written(tmp_path):
    rows = make_rows()
    half = RDTable(rows[::2])
    half += rows[1::2]
    assert isinstance(half, RDTable)
    with pytest.raises(ValueError, match="two rows for"):
        half + rows[:1]
    assert sorted(read_table(half.write(tmp_path / "rd.csv")), key=str) == sorted(rows, key=str)
    line = next(x for x in str(half).splitlines() if " codec-coded " in x and " 0.01 " in x)
    of = [r for r in rows if r.method == "codec-coded" and r.lmbda == 0.01]
    bpp, psnr, J = (np.mean([getattr(r, n) for r in of]) for n in ("bpp", "psnr", "J"))
    assert line.split() == [
        "c",
        "codec-coded",
        "0.01",
        "3",
        f"{bpp:.4f}",
        f"{psnr:.2f}",
        f"{J:.4f}",
    ]


def test_a_frame_has_the_columns_of_a_row(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    rows = RDTable(make_rows())
    frame = rows.to_pandas()
    assert frame["bpp"] == [row.bpp for row in rows]
    assert set(frame) == set(rows[0].__slots__)


def test_bd_rate_is_of_one_curve_against_another(tmp_path):
    rows = RDTable(make_rows())
    dearer = [r for r in rows if r.method == "codec-coded"]
    factor = [dataclasses.replace(r, bits=2 * r.bits, bpp=2 * r.bpp) for r in dearer]
    found = rdbound.bd_rate(factor, dearer)
    assert found.value == pytest.approx(100.0)
    assert set(found.images) == {"a", "b", "c"}
    assert rdbound.bd_rate(rows, dearer, of="codec-coded").value == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="one curve is needed: say which"):
        rdbound.bd_rate(rows, dearer)
    assert rdbound.bd_rate("resnet-vae").value == pytest.approx(-16.93, abs=0.01)
    by = rdbound.bd_rate("resnet-vae", metric="ms-ssim").value
    assert by == pytest.approx(-18.90, abs=0.01)


def test_a_plot_is_axes_with_a_line_a_method():
    axes = rdbound.plot(make_rows())
    assert axes.get_ylabel().startswith("PSNR")
    drawn = {line.get_label() for line in axes.lines}
    assert {"bound", "bound-refined", "codec-coded"} <= drawn


def test_gaps_are_those_of_the_rows():
    total = [g for g in rdbound.gaps(make_rows()) if g.gap == "total" and g.image == "mean"]
    assert [g.lmbda for g in total] == [0.002, 0.01, 0.05]


@pytest.mark.slow
def test_three_lines_from_an_image_to_its_bound(image):
    table = rdbound.bound(np.kron(image, np.ones((2, 2, 1), np.uint8)), lmbdas=[0.0067], steps=2)
    assert [row.model for row in table] == ["res-context-4-bound"] * 2
    assert all(
        0 < row.bpp < 24 and pytest.approx(row.bpp + 0.0067 * row.mse) == row.J for row in table
    )
