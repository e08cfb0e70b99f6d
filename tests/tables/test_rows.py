import pytest

from rdbound.tables.rows import read_rows, write_rows


def test_cells_come_back_as_they_were(tmp_path):
    path = tmp_path / "deep" / "t.csv"
    write_rows(path, ("a", "b"), [{"a": 0.1, "b": None}, {"a": "x, y", "b": 3}])
    assert path.read_text() == 'a,b\n0.1,\n"x, y",3\n'
    assert read_rows(path, ("a", "b"), "a table") == [
        (2, {"a": "0.1", "b": ""}),
        (3, {"a": "x, y", "b": "3"}),
    ]
    assert [file.name for file in path.parent.iterdir()] == ["t.csv"]


def test_a_failure_leaves_the_old_table(tmp_path):
    path = tmp_path / "t.csv"
    write_rows(path, ("a",), [{"a": 1}])
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_rows(path, ("a",), [{"a": 2}, {"b": 3}])
    assert path.read_text() == "a\n1\n"
