"""`rdbound codecs`: tables of codecs from outside, which then are anchors."""

import sys

import numpy as np
import pytest
from PIL import Image

from rdbound.baselines.points import read_codec_points
from rdbound.cli.main import main
from rdbound.tables.rd import read_table


@pytest.fixture
def photographs(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("a", "b"):
        blocks = rng.integers(0, 256, (8, 12, 3)).astype(np.uint8)
        Image.fromarray(np.kron(blocks, np.ones((6, 6, 1), np.uint8))).save(folder / f"{name}.png")
    return folder


def _run(photographs, output, *more):
    return main(["codecs", str(photographs), "--output", str(output), *more])


def test_the_table_holds_whole_files_and_a_second_run_measures_what_is_new(
    photographs, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    assert _run(photographs, out, "--codec", "jpeg", "--settings", "20", "50", "--jobs", "1") == 0
    rows = read_table(out / "rd.csv")
    assert [(r.image, r.model) for r in rows] == [("a.png", "jpeg"), ("b.png", "jpeg")] * 2
    assert all(r.bits == 8 * r.bytes for r in rows)
    assert "external-coded" in (out / "report.md").read_text()
    assert (out / "rd_curve.png").stat().st_size > 5000

    import rdbound.runs.baselines as stage

    asked = []
    really = stage.measure_codec
    monkeypatch.setattr(
        stage,
        "measure_codec",
        lambda c, name, i, s, *more: (asked.append((name, s)), really(c, name, i, s, *more))[1],
    )
    assert (
        _run(photographs, out, "--codec", "jpeg", "--settings", "20", "50", "90", "--jobs", "1")
        == 0
    )
    assert sorted(asked) == [("a.png", 90.0), ("b.png", 90.0)]
    again = read_table(out / "rd.csv")
    assert [(r.image, r.bytes) for r in again[:4]] == [(r.image, r.bytes) for r in rows]
    assert len(again) == 6

    asked.clear()
    assert _run(photographs, out, "--codec", "jpeg", "--settings", "20", "--jobs", "1") == 0
    assert not asked
    fewer = read_table(out / "rd.csv")
    assert [(r.image, r.bytes) for r in fewer] == [(r.image, r.bytes) for r in rows[:2]]

    asked.clear()
    points = (out / "points.csv").read_text()
    version = read_codec_points(out / "points.csv")[0].version
    (out / "points.csv").write_text(points.replace(version, "Pillow 1.0"))
    assert _run(photographs, out, "--codec", "jpeg", "--settings", "20", "--jobs", "1") == 0
    assert sorted(asked) == [("a.png", 20.0), ("b.png", 20.0)]

    asked.clear()
    Image.fromarray(np.full((48, 72, 3), 9, np.uint8)).save(photographs / "b.png")
    assert _run(photographs, out, "--codec", "jpeg", "--settings", "20", "--jobs", "1") == 0
    assert asked == [("b.png", 20.0)]
    assert len(read_table(out / "rd.csv")) == 2  # other settings lack the new picture


def test_processes_measure_the_same(photographs, tmp_path):
    for jobs in ("1", "2"):
        assert _run(photographs, tmp_path / jobs, "--codec", "jpeg", "webp", "--jobs", jobs) == 0
    key = lambda p: (p.codec, p.image, p.setting)  # noqa: E731
    one, two = (sorted(read_codec_points(tmp_path / jobs / "points.csv"), key=key) for jobs in "12")
    assert one == two
    assert len(one) == 2 * 2 * 19


def test_such_a_table_is_an_anchor(photographs, tmp_path, capsys):
    assert _run(photographs, tmp_path / "o", "--codec", "jpeg", "webp", "--jobs", "1") == 0
    table = tmp_path / "o" / "rd.csv"
    capsys.readouterr()
    code = main(
        ["bd-rate", f"{table}:jpeg", "--anchor", f"{table}:jpeg", "--dataset", "photographs"]
    )
    assert code == 0
    assert "jpeg external-coded against jpeg external-coded, photographs: +0.00 %" in (
        capsys.readouterr().out.replace("-0.00", "+0.00")
    )
    assert (
        _run(
            photographs,
            tmp_path / "o",
            "--codec",
            "webp",
            "--jobs",
            "1",
            "--anchor",
            f"{table}:jpeg",
        )
        == 0
    )
    assert "BD-rate against jpeg external-coded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--codec", "bpg"], "unknown codec 'bpg': choose one of"),
        (["--encoder", "e {quality} {input} {output}"], "--encoder and --decoder go together"),
        (
            ["--encoder", "e {quality} {input} {output}", "--decoder", "d {input} {output}"],
            "--encoder needs its --settings",
        ),
        (["--codec", "jpeg", "webp", "--settings", "5"], "--settings are of one codec"),
        (["--codec", "jpeg", "jpeg"], "two codecs have the same name: jpeg, jpeg"),
        (
            [
                "--encoder",
                f"{sys.executable} -c pass {{quality}} {{input}} {{output}}",
                "--decoder",
                "d {input} {output}",
                "--settings",
                "5",
                "--jobs",
                "1",
            ],
            "a.png at 5: mine: ",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line(photographs, tmp_path, capsys, more, message):
    assert _run(photographs, tmp_path / "o", *more) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(err) == 1
    assert message in err[0]
