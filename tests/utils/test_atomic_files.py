"""Files that are there whole or not at all."""

import errno
import json
import os

import pytest

from rdbound.tables.csv_records import write_rows
from rdbound.utils.atomic_files import read_json, replacing, write_json, write_text


def _names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "new"),
        lambda path: write_json(path, {"new": 1}),
        lambda path: write_rows(path, ("a",), [{"a": 1.0}]),
    ],
)
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch, write):
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(path)
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["file"]
    monkeypatch.undo()
    write(path)
    assert path.read_text() != "old"
    assert _names(tmp_path) == ["file"]


def test_what_fails_half_way_is_not_there(tmp_path):
    def half_way():
        with replacing(tmp_path / "file") as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_way()
    assert _names(tmp_path) == []


def test_json_comes_back(tmp_path):
    value = {"λ": [0.1, 1e-300, None, "ä"], "n": 3}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json", dict) == value
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"\xff\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "a list where a dict belongs"),
        (b"3", "a int where a dict belongs"),
    ],
)
def test_damaged_json_names_its_file(tmp_path, data, reason):
    (tmp_path / "finished.json").write_bytes(data)
    with pytest.raises(ValueError, match=rf"finished\.json is damaged: {reason}") as error:
        read_json(tmp_path / "finished.json", dict)
    assert "\n" not in str(error.value)
