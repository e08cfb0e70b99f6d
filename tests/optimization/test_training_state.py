"""Checkpoints that cannot be read, and metrics that were cut."""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.optimization.training_state import (
    Checkpoints,
    Metrics,
    newest_readable,
    read_metrics,
    saved_steps,
)


class Data:
    """An iterator's state alone."""

    def __init__(self, drawn=0):
        self.drawn = drawn

    def get_state(self):
        return {"drawn": self.drawn}

    def set_state(self, state):
        self.drawn = state["drawn"]


def _state(value):
    return {"w": jnp.full((64, 64), float(value)), "step": jnp.int32(value)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Checkpoints of the steps 100 and 200, the states full of their steps."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    with Checkpoints(folder) as checkpoints:
        for step in (50, 100, 200):
            checkpoints.save(step, _state(step), Data(step))
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "checkpoints")


def _arrays(step):
    """The files of a checkpoint's arrays, the largest first."""
    files = [p for p in (step / "state").rglob("*") if p.is_file() and "/d/" in str(p)]
    return sorted(files, key=lambda p: -p.stat().st_size)


def _cut(step):
    for file in _arrays(step):
        file.write_bytes(file.read_bytes()[:20])


def _flip(step):
    for file in _arrays(step):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)


def _forget(step):
    shutil.rmtree(step / "state")


def _garble(step):
    (step / "data" / "metadata").write_text("{")


def _empty(step):
    shutil.rmtree(step)
    step.mkdir()


def _restore(folder):
    data = Data()
    with Checkpoints(folder) as checkpoints:
        state = checkpoints.restore(_state(0), data)
        checkpoints.save(200, _state(200), Data(200))
    return state, data


def _warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "rdbound"]


def test_the_newest_is_restored_without_a_word(folder, caplog):
    state, data = _restore(folder)
    np.testing.assert_array_equal(state["w"], np.full((64, 64), 200.0))
    assert data.drawn == 200
    assert _warnings(caplog) == []
    assert [p.name for p in saved_steps(folder)] == ["200", "100"]


@pytest.mark.parametrize("damage", [_cut, _flip, _forget, _garble, _empty])
def test_the_one_beside_a_damaged_checkpoint_takes_its_place(folder, damage, caplog):
    damage(folder / "200")
    before = sorted(p.name for p in (folder / "200").rglob("*"))
    state, data = _restore(folder)
    (warning,) = _warnings(caplog)
    np.testing.assert_array_equal(state["w"], np.full((64, 64), 100.0))
    assert data.drawn == 100
    assert warning.startswith(f"{folder / '200'} is damaged (")
    assert warning.endswith("; step 100 takes its place")
    assert "\n" not in warning
    assert sorted(p.name for p in (folder / "200.damaged").rglob("*")) == before
    # The step that was damaged is saved anew, and is the newest again.
    assert _restore(folder)[0]["step"] == 200


def test_where_none_can_be_read_none_is_touched(folder):
    for step in ("100", "200"):
        _forget(folder / step)
    with pytest.raises(ValueError, match=r"200 is damaged .*100 is damaged .*; remove .*checkpoi"):
        _restore(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["100", "200"]


def test_a_lack_of_memory_is_no_damage(folder):
    def read(path):
        raise MemoryError

    with pytest.raises(MemoryError):
        newest_readable(folder, read)


def test_nothing_saved_is_no_checkpoint(tmp_path):
    assert newest_readable(tmp_path / "none", print) is None
    assert newest_readable(tmp_path, print) is None


def _lines(folder, *lines):
    (folder / "metrics.jsonl").write_text("".join(lines))


GOOD = [json.dumps({"step": step, "J": step / 7}) + "\n" for step in (10, 20, 30)]


def test_a_line_cut_short_is_dropped_and_so_is_what_will_be_repeated(tmp_path):
    _lines(tmp_path, *GOOD, '{"step": 40, "J"')
    assert [line["step"] for line in read_metrics(tmp_path)] == [10, 20, 30]
    with Metrics(tmp_path, 20) as log:
        log.write(30, {"J": 0.5})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    assert lines == [*GOOD[:2], '{"step": 30, "J": 0.5}\n']


@pytest.mark.parametrize("bad", ["{", "3", "[1]", "{}", '{"step": "x"}', "\0\0", ""])
def test_a_damaged_line_among_others_is_named_and_the_file_left(tmp_path, bad):
    _lines(tmp_path, GOOD[0], bad + "\n", GOOD[1])
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"metrics\.jsonl is damaged: line 2 is no log"):
        Metrics(tmp_path, 20)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
