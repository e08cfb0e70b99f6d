import dataclasses
import tracemalloc

import pytest

from rdbound.tables.rd import COLUMNS, read_table, write_table
from tests.analysis.test_gaps import make_rows


def test_a_table_comes_back(tmp_path):
    rows = make_rows()
    write_table(tmp_path / "rd.csv", rows)
    again = read_table(tmp_path / "rd.csv")
    assert [r.key for r in again] == [r.key for r in rows]
    assert [r.J for r in again] == pytest.approx([r.J for r in rows], rel=1e-8)
    assert again[0].bytes is None
    header = (tmp_path / "rd.csv").read_text().splitlines()[0]
    assert header == (
        "dataset,image,model,lmbda,method,pixels,bits,bytes,bpp,mse,psnr,ms_ssim,J,"
        "J_se,steps,samples,seed"
    )


def test_a_million_rows_fit_in_a_laptop(tmp_path):
    """About 300 bytes a row are kept, and about 400 needed to read it: text goes as it comes."""
    images = tuple(f"image{i:03d}" for i in range(50))
    write_table(tmp_path / "rd.csv", make_rows(images=images))
    read_table(tmp_path / "rd.csv")  # the schema is made once
    tracemalloc.start()
    try:
        rows = read_table(tmp_path / "rd.csv")
        kept, most = (size / len(rows) for size in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert len(rows) == 1050
    assert kept < 450
    assert most < 650


def _damage(tmp_path, edit):
    path = tmp_path / "rd.csv"
    write_table(path, make_rows())
    lines = path.read_text().splitlines()
    path.write_text("\n".join(edit(lines)) + "\n")
    return path


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: [lines[0].replace("bpp", "rate"), *lines[1:]], "lacks the column bpp"),
        (
            lambda lines: [*lines[:3], lines[3].replace(",1000,", ",many,", 1), *lines[4:]],
            "line 4: pixels = 'many': .*integer",
        ),
        (lambda lines: [*lines, lines[-1]], "two rows for"),
    ],
)
def test_damage_is_named(tmp_path, edit, message):
    with pytest.raises(ValueError, match=message):
        read_table(_damage(tmp_path, edit))


def test_no_table(tmp_path):
    with pytest.raises(ValueError, match="no such table"):
        read_table(tmp_path / "none.csv")
    assert len(COLUMNS) == 17


def _changed(tmp_path, **changes):
    """The table of ``make_rows`` with changes in its third row, line 4."""
    rows = make_rows()
    rows[2] = dataclasses.replace(rows[2], **changes)
    write_table(tmp_path / "rd.csv", rows)
    return tmp_path / "rd.csv"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": "mean"}, "image = 'mean': the name of the mean over images"),
        ({"model": ""}, "model = '': .*at least 1 character"),
        ({"lmbda": 0.0}, "lmbda = '0.0': .*greater than 0"),
        ({"pixels": 0}, "pixels = '0': .*greater than or equal to 1"),
        ({"bits": -1.0}, "bits = -1.0: below 0"),
        ({"bpp": float("nan")}, "bpp = 'nan': .*finite number"),
        ({"bpp": -0.5, "J_se": 0.01}, "bpp = -0.5: below 0"),
        ({"bpp": 0.0, "bytes": 94}, "bpp = 0.0: no rate, and bytes were written"),
        ({"bytes": 0}, "bytes = '0': .*greater than or equal to 1"),
        ({"mse": -1.0}, "mse = '-1.0': .*greater than or equal to 0"),
        ({"psnr": float("nan")}, "psnr = 'nan': .*greater than"),
        ({"psnr": float("-inf")}, "psnr = '-inf': .*greater than"),
        ({"J_se": -0.1}, "J_se = '-0.1': .*greater than or equal to 0"),
        ({"J": 2.0}, r"J = 2.0: not bpp \+ λ·mse = 1.4\d+, as in other rows of c"),
    ],
)
def test_what_no_row_can_hold_is_named_by_line_and_column(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"rd.csv, line 4: {message}"):
        read_table(_changed(tmp_path, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"mse": 0.0, "psnr": float("inf"), "J": make_rows()[2].bpp},
        {"bits": 0.0, "bpp": 0.0, "J": 0.002 * make_rows()[2].mse},
        {"bits": -1e-3, "bpp": -1e-6, "J": 0.002 * make_rows()[2].mse},
        {"bits": -1.0, "bpp": -0.001, "J_se": 0.001, "J": 0.002 * make_rows()[2].mse - 0.001},
        {"J": make_rows()[2].J * (1 + 1e-6)},
    ],
)
def test_what_a_row_may_hold_is_read(tmp_path, changes):
    """Nothing lost, nothing sent, rounding and noise about zero, and J of float32."""
    found = read_table(_changed(tmp_path, **changes))[2]
    assert {name: getattr(found, name) for name in changes} == changes


def test_a_model_of_another_distortion_has_another_J(tmp_path):
    """As one trained for 1 − MS-SSIM; one of its reconstructions is perfect."""
    rows = [
        dataclasses.replace(r, J=r.bpp + r.lmbda * 0.02) if r.model == "b" else r
        for r in make_rows()
    ]
    rows[0] = dataclasses.replace(rows[0], mse=0.0, J=rows[0].bpp)
    write_table(tmp_path / "rd.csv", rows)
    assert [r.J for r in read_table(tmp_path / "rd.csv")] == [r.J for r in rows]


def test_a_table_of_another_program_is_read(tmp_path):
    write_table(tmp_path / "rd.csv", make_rows())
    text = (tmp_path / "rd.csv").read_text().replace(",1000,", ",1000.0,")
    (tmp_path / "rd.csv").write_text(text, encoding="utf-8-sig")
    assert read_table(tmp_path / "rd.csv") == make_rows()
