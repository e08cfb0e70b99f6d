"""A sweep runs all of its cells and tells what became of each."""

import csv
from pathlib import Path

import pytest

from rdbound.config import load_config
from rdbound.runs.parallel.sweep import SUMMARY, each_cell
from tests.small_training import small_training

SWEEP = """sweep:
  name: "{seed}"
  zip: {model.lmbda: [1.0, 2.0, 4.0], seed: [0, 1, 2]}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "c.yaml").write_text(small_training(tmp_path / "out", more=SWEEP))
    return lambda *overrides: load_config(tmp_path / "c.yaml", overrides)


def _train(cell, progress):
    """Two logs of a training, without one; the second cell fails."""
    folder = Path(cell.output)
    folder.mkdir(parents=True)
    logs = [f'{{"step": 1, "J": 9.0, "held_out_J": {cell.seed}.5}}', '{"step": 2, "J": 0.25}']
    (folder / "metrics.jsonl").write_text("\n".join(logs) + "\n")
    if cell.seed == 1:
        raise ValueError("the loss\nis gone")
    return folder


def _read(config):
    with (Path(config.output) / SUMMARY).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_cell_that_fails_keeps_no_other_from_running(config, caplog):
    caplog.set_level("INFO", "rdbound")
    chosen = config()
    with pytest.raises(ValueError, match=r"^1: the loss\n1: is gone$"):
        each_cell(chosen, _train)
    rows = _read(chosen)
    assert [list(row.values()) for row in rows] == [
        ["1.0", "0", "0.25", "0.5", "finished", f"{chosen.output}/0"],
        ["2.0", "1", "0.25", "1.5", "failed: the loss", f"{chosen.output}/1"],
        ["4.0", "2", "0.25", "2.5", "finished", f"{chosen.output}/2"],
    ]
    assert list(rows[0]) == ["model.lmbda", "seed", "J", "held_out_J", "status", "folder"]
    header, _, *lines = caplog.messages[-1].strip().splitlines()
    assert header.split("|")[1].strip() == "model.lmbda"
    assert len(lines) == 3
    assert [cell.strip() for cell in lines[1].split("|")][1:-1] == [
        "2",
        "1",
        "0.25",
        "1.5",
        "failed: the loss",
        f"{chosen.output}/1",
    ]


def test_the_table_is_there_while_the_sweep_goes_on(config):
    seen, chosen = [], config("sweep={seed: [0, 2]}")

    def look(cell, progress):
        seen.append(_read(chosen) if Path(chosen.output).exists() else [])
        return _train(cell, progress)

    each_cell(chosen, look)
    assert [[row["status"] for row in rows] for rows in seen] == [[], ["finished", "waiting"]]


def test_what_is_no_training_has_no_columns_of_it(config):
    chosen = config("sweep={model.options: [{dimension: 2}], seed: [3]}")
    each_cell(chosen, lambda cell, progress: Path(cell.output))
    (row,) = _read(chosen)
    assert row == {
        "model.options": '{"dimension": 2}',
        "seed": "3",
        "status": "finished",
        "folder": f"{chosen.output}/options=dimension=2,seed=3",
    }


def test_without_a_sweep_there_is_one_run_and_its_error(config):
    seen = []
    each_cell(config("sweep=null"), lambda cell, progress: seen.append(cell))
    assert seen == [config("sweep=null")]
    with pytest.raises(ValueError, match=r"^the loss"):
        each_cell(config("sweep=null", "seed=1"), _train)
