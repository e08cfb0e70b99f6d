import math
from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import Field, FiniteFloat

from rdbound.tables.csv_records import (
    Count,
    Maybe,
    NonNegative,
    Positive,
    Text,
    read_header,
    read_records,
    write_records,
    write_rows,
)


@dataclass(frozen=True, slots=True)
class Record:
    name: Text
    size: Count
    number: int = 0
    rate: Maybe[FiniteFloat] = None
    share: Maybe[Positive] = None
    error: Maybe[NonNegative] = None
    any: float = 0.0
    least: Annotated[float, Field(ge=0)] = 0.0
    note: str = ""

    @property
    def double(self) -> int:
        return 2 * self.size


def _read(path):
    return [record for _, record in read_records(path, Record, "a table")]


def test_records_come_back_as_they_were(tmp_path):
    path = tmp_path / "deep" / "t.csv"
    records = [
        Record("a, b", 3, 9007199254740993, 0.1, 1e-300, 0.0, math.inf, math.inf),
        Record("é", 1, -5, None, None, None, -math.inf, note='"quoted"\nline'),
    ]
    write_records(path, Record, records, derived=("double",))
    assert path.read_text().splitlines()[:2] == [
        "name,size,number,rate,share,error,any,least,note,double",
        '"a, b",3,9007199254740993,0.1,1e-300,0.0,inf,inf,,6',
    ]
    assert _read(path) == records
    assert [file.name for file in path.parent.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("number", [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 2.0**53 + 2])
def test_no_number_changes_by_a_digit(tmp_path, number):
    write_records(tmp_path / "t.csv", Record, [Record("a", 1, rate=number)])
    (found,) = _read(tmp_path / "t.csv")
    assert found.rate.hex() == number.hex()


def test_names_that_repeat_are_one_object(tmp_path):
    (tmp_path / "t.csv").write_text("name,size\nkodim01.png,1\nkodim01.png,2\n")
    first, second = _read(tmp_path / "t.csv")
    assert first.name is second.name


def test_a_failure_leaves_the_old_table(tmp_path):
    path = tmp_path / "t.csv"
    write_rows(path, ("a",), [{"a": 1}])
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_rows(path, ("a",), [{"a": 2}, {"b": 3}])
    assert path.read_text() == "a\n1\n"


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("name", "a", "a"),
        ("rate", "-1e-3", -0.001),
        ("rate", "", None),
        ("error", "0", 0.0),
        ("any", "-inf", -math.inf),
        ("number", "-9007199254740993", -9007199254740993),  # −2⁵³ − 1, which no float is
        ("size", "155550.0", 155550),
        ("note", "", ""),
    ],
)
def test_a_cell_is_read(tmp_path, column, cell, value):
    given = {"name": "x", "size": "1"} | {column: cell}
    (tmp_path / "t.csv").write_text(f"{','.join(given)}\n{','.join(given.values())}\n")
    (record,) = _read(tmp_path / "t.csv")
    assert getattr(record, column) == value


def test_what_is_not_a_number_may_be_kept(tmp_path):
    (tmp_path / "t.csv").write_text("name,size,any\nx,1,nan\n")
    assert math.isnan(_read(tmp_path / "t.csv")[0].any)


@pytest.mark.parametrize(
    ("column", "cell", "wrong"),
    [
        ("name", "", "at least 1 character"),
        ("any", "", "valid number"),
        ("rate", "nan", "finite number"),
        ("rate", "-inf", "finite number"),
        ("rate", "x", "valid number"),
        ("error", "-1e-9", "greater than or equal to 0"),
        ("share", "0", "greater than 0"),
        ("number", "1.5", "valid integer"),
        ("size", "0", "greater than or equal to 1"),
        ("size", "many", "valid integer"),
    ],
)
def test_a_cell_is_refused_with_its_place(tmp_path, column, cell, wrong):
    given = {"b": "", "name": "x", "size": "1"} | {column: cell}
    good = {"b": "", "name": "x", "size": "1"} | {column: "1"}
    rows = [",".join(row) for row in (given, good.values(), [], given.values())]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(ValueError, match=f"t.csv, line 4: {column} = '{cell}': .*{wrong}") as error:
        _read(tmp_path / "t.csv")
    assert "\n" not in str(error.value)


def test_a_message_repeats_the_start_of_a_long_cell(tmp_path):
    (tmp_path / "t.csv").write_text(f"name,size\na,{10_000 * 'x'}\n")
    with pytest.raises(ValueError, match=r"line 2: size = 'x{40}…': .*integer"):
        _read(tmp_path / "t.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_with_a_byte_order_mark_is_read(tmp_path, encoding):
    (tmp_path / "t.csv").write_text("name,size,λ\né,5,x\n", encoding=encoding)
    assert list(read_records(tmp_path / "t.csv", Record, "a table")) == [(2, Record("é", 5))]
    assert read_header(tmp_path / "t.csv") == ["name", "size", "λ"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,size\n1,2\n".encode("utf-16"), "t.csv, line 1: no UTF-8 text"),
        ("name,size\n1,2\n".encode("utf-16-le"), "t.csv: not a table, it lacks the column name"),
        (b"name,size\n1,2\n\n3,\xe9\n", "t.csv, line 4: no UTF-8 text"),
        (b'name,size\n1,2\n3,"' + 140_000 * b"y", "line 3: field larger than field limit"),
        (b"name,size\n" + 140_000 * b"y" + b",1\n", "line 2: field larger than field limit"),
        (b"name,size\n1,2\n0,5,2\n", "t.csv, line 3: 3 cells for 2 columns"),
        (b"name,size\n1,2\n0\n", "t.csv, line 3: 1 cells for 2 columns"),
        (b"name,size,name\n1,2,3\n", "t.csv: not a table, it has the column name twice"),
        (b"", "t.csv: not a table, it lacks the column name"),
        (b"name\nx\n", "t.csv: not a table, it lacks the column size"),
    ],
)
def test_what_is_no_table_is_named_by_its_place(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        _read(tmp_path / "t.csv")


def test_a_column_is_read_by_its_former_name(tmp_path):
    (tmp_path / "t.csv").write_text("old,size\n1,2\n\n")
    found = read_records(tmp_path / "t.csv", Record, "a table", {"old": "name"})
    assert list(found) == [(2, Record("1", 2))]
