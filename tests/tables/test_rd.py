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
    assert header == ("dataset,image,model,lmbda,method,pixels,bits,bytes,bpp,mse,psnr,ms_ssim,J,"
                      "J_se,steps,samples,seed")  # fmt: skip


def _damage(tmp_path, edit):
    path = tmp_path / "rd.csv"
    write_table(path, make_rows())
    lines = path.read_text().splitlines()
    path.write_text("\n".join(edit(lines)) + "\n")
    return path


@pytest.mark.parametrize(("edit", "message"), [
    (lambda lines: [lines[0].replace("bpp", "rate"), *lines[1:]], "lacks the column bpp"),
    (lambda lines: [*lines[:3], lines[3].replace(",1000,", ",many,", 1), *lines[4:]],
     "line 4: pixels = 'many' is not a number"),
    (lambda lines: [*lines, lines[-1]], "two rows for"),
])  # fmt: skip
def test_damage_is_named(tmp_path, edit, message):
    with pytest.raises(ValueError, match=message):
        read_table(_damage(tmp_path, edit))


def test_no_table(tmp_path):
    with pytest.raises(ValueError, match="no such table"):
        read_table(tmp_path / "none.csv")
    assert len(COLUMNS) == 17
