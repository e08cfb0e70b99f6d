"""A partial table grows by lines; what a killed process left of one is dropped."""

import dataclasses

from rdbound.runs.evaluate import PartialTable
from rdbound.tables.rd import read_table
from tests.analysis.test_gaps import make_rows


def test_rows_are_appended_and_read_again(tmp_path):
    file, rows = tmp_path / "rd.partial.csv", make_rows()[:4]
    with PartialTable(file) as table:
        table.add(rows[:1])
        before = file.read_bytes()
        table.add([rows[1], dataclasses.replace(rows[0], seed=7)])
        assert file.read_bytes().startswith(before), "nothing is written twice"
    assert read_table(file) == rows[:2]
    with PartialTable(file) as table:
        assert list(table.rows.values()) == rows[:2]
        table.add(rows)
    assert read_table(file) == rows


def test_a_torn_last_line_is_dropped(tmp_path):
    file, rows = tmp_path / "rd.partial.csv", make_rows()[:3]
    with PartialTable(file) as table:
        table.add(rows)
    file.write_bytes(file.read_bytes()[:-7])
    with PartialTable(file) as table:
        assert list(table.rows.values()) == rows[:2]
        table.add(rows)
    assert read_table(file) == rows


def test_a_torn_header_is_written_again(tmp_path):
    file, rows = tmp_path / "rd.partial.csv", make_rows()[:1]
    file.write_bytes(b"dataset,ima")
    with PartialTable(file) as table:
        table.add(rows)
    assert read_table(file) == rows
