"""An evaluation by shards has the rows of one process, and computes again only what failed."""

import json
from dataclasses import astuple

import pytest

from rdbound.checkpoints.checkpoint import save_checkpoint
from rdbound.cli.main import main
from rdbound.config import load_config
from rdbound.config.load import validated
from rdbound.config.sweep import to_yaml
from rdbound.models import make_model
from rdbound.runs.evaluate import evaluate_run
from rdbound.runs.parallel.launchers import SHARDS
from rdbound.runs.parallel.shards import evaluate_in_shards, shards
from rdbound.runs.parallel.sweep import one_by_one
from rdbound.runs.run_folder import RD_TABLE
from rdbound.tables.rd import read_table

TEXT = """
output: {output}
evaluation:
  checkpoints: [{folder}/own.safetensors]
  data: {{source: gaussian, options: {{variances: [1.0, 0.3]}}, vectors: 40, blocks: 5}}
  lmbdas: [1.0, 3.0]
  samples: 2
"""
SPEC = {"name": "mlp", "form": "bound", "lmbda": [0.5, 4.0], "dimension": 2, "hidden": [8]}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    save_checkpoint(
        folder / "own.safetensors",
        make_model("mlp", "bound", (0.5, 4.0), dimension=2, hidden=[8]),
        SPEC,
    )

    def load(name):
        (folder / f"{name}.yaml").write_text(TEXT.format(output=folder / name, folder=folder))
        return load_config(folder / f"{name}.yaml")

    return load


@pytest.fixture(scope="module")
def whole(config):
    return read_table(evaluate_run(config("whole")) / RD_TABLE)


def _values(rows):
    return [tuple(map(repr, astuple(row))) for row in rows]


@pytest.mark.parametrize("count", [3, 11])
def test_shards_have_the_rows_of_one_process_in_its_order(
    config, whole, count, monkeypatch, caplog
):
    """Eleven for ten tasks: one has nothing to do. What merges them computes nothing."""
    caplog.set_level("INFO", "rdbound")
    chosen = config(f"shards-{count}")

    def runner(grid):
        yield from one_by_one(evaluate_run)(grid)
        monkeypatch.setattr("rdbound.evaluation.evaluate.task_rows", pytest.fail)

    folder = evaluate_in_shards(chosen, count, runner)
    assert _values(read_table(folder / RD_TABLE)) == _values(whole)
    sizes = [
        sum(row.method == "bound" for row in read_table(folder / SHARDS / name / RD_TABLE))
        for name in (f"{k + 1}-of-{count}" for k in range(count))
    ]
    assert sizes == [len(range(k, 10, count)) for k in range(count)]
    assert (folder / "report.md").exists()
    assert not (folder / SHARDS / f"1-of-{count}" / "report.md").exists()
    assert "finished before" not in caplog.messages[-1]
    evaluate_in_shards(chosen, count, pytest.fail)
    assert "finished before" in caplog.messages[-1]


def test_what_failed_is_said_and_done_again(config, whole):
    chosen, asked = config("failing"), []

    def runner(grid):
        for one in grid:
            asked.append(one.evaluation.shard)
            if len(asked) == 2:
                yield one, "no room"
            else:
                evaluate_run(one)
                yield one, None

    with pytest.raises(ValueError, match="shard 2-of-2: no room"):
        evaluate_in_shards(chosen, 2, runner)
    folder = evaluate_in_shards(chosen, 2, runner)
    assert _values(read_table(folder / RD_TABLE)) == _values(whole)
    assert asked == [(0, 2), (1, 2)] * 2


def test_a_shard_is_another_run_than_the_whole(config):
    one, other = shards(config("any"), 2)
    assert one.output.endswith("any/shards/1-of-2")
    assert "shard:\n  - 0\n  - 2\n" in to_yaml(one)
    assert other.evaluation.shard == (1, 2)
    with pytest.raises(ValueError, match=r"evaluation\.shard: .*the first below the second"):
        validated("c.yaml", json.loads(one.model_dump_json().replace("[0,2]", "[2,2]")))


@pytest.mark.slow
def test_two_processes_of_this_machine_share_an_evaluation(config, whole, capsys):
    chosen = config("local")
    assert main(["evaluate", f"{chosen.output}.yaml", "--engine", "local", "--jobs", "2"]) == 0
    assert "the same to look at" in capsys.readouterr().out
    found = read_table(f"{chosen.output}/{RD_TABLE}")
    assert [row.key for row in found] == [row.key for row in whole]
    assert [row.J for row in found] == pytest.approx([row.J for row in whole], rel=2e-4)
    for folder in (chosen.output, f"{chosen.output}/{SHARDS}"):
        assert main(["status", folder]) == 0
        assert capsys.readouterr().out.count("finished") == 2
