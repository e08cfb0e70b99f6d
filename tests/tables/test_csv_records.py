import pytest

from rdbound.tables.csv_records import read_header, read_rows, write_rows


def test_cells_come_back_as_they_were(tmp_path):
    path = tmp_path / "deep" / "t.csv"
    write_rows(path, ("a", "b"), [{"a": 0.1, "b": None}, {"a": "x, y", "b": 3}])
    assert path.read_text() == 'a,b\n0.1,\n"x, y",3\n'
    assert list(read_rows(path, ("a", "b"), "a table")) == [
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_with_a_byte_order_mark_is_read(tmp_path, encoding):
    (tmp_path / "t.csv").write_text("λ,b\n0.5,é\n", encoding=encoding)
    found = read_rows(tmp_path / "t.csv", ("λ",), "a table")
    assert list(found) == [(2, {"λ": "0.5", "b": "é"})]
    assert read_header(tmp_path / "t.csv") == ["λ", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n".encode("utf-16-le"), "t.csv: UTF-16 without its byte-order mark"),
        (b"a,b\n1,2\n\n3,\xe9\n", "t.csv, line 4, column 2: no utf-8 text"),
        (b'a,b\n1,"x\n2"\n3,"' + 140_000 * b"y", "line 4, column 2: field larger than field limit"),
        (b"a,b\n" + 140_000 * b"y" + b",1\n", "line 2, column 1: field larger than field limit"),
        (b"a,b\n1,2\n0,5,2\n", "t.csv, line 3: 3 cells for 2 columns"),
        (b"a,b\n1,2\n0\n", "t.csv, line 3: 1 cells for 2 columns"),
        (b"a,b,a\n1,2,3\n", "t.csv: not a table, it has the column a twice"),
        (b"", "t.csv: not a table, it lacks the column a"),
    ],
)
def test_what_is_no_table_is_named_by_its_place(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(read_rows(tmp_path / "t.csv", ("a",), "a table"))


def test_a_column_is_read_by_its_former_name(tmp_path):
    (tmp_path / "t.csv").write_text("old,b\n1,2\n\n")
    found = read_rows(tmp_path / "t.csv", ("new",), "a table", {"old": "new"})
    assert list(found) == [(2, {"new": "1", "b": "2"})]
