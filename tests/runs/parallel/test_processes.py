"""Evaluation by several processes gives the rows of one, in its order."""

import os
import subprocess
import sys
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from rdbound.checkpoints.checkpoint import save_checkpoint
from rdbound.config import load_config
from rdbound.models import make_model
from rdbound.runs.evaluate import PARTIAL, evaluate_run, input_digests
from rdbound.runs.inputs import open_inputs
from rdbound.runs.parallel.processes import core_sets
from rdbound.runs.run_folder import RD_TABLE
from rdbound.tables.rd import read_table, write_table
from tests.runs.conftest import enter

TEXT = """
output: {output}
evaluation:
  checkpoints: [{model}]
  data: {{source: gaussian, options: {{variances: [1.0, 0.3]}}, vectors: 40, blocks: 5}}
  lmbdas: [1.0, 3.0]
  samples: 2
  refinement: {{steps: 3, check_every: 2}}
"""
SPEC = {"name": "mlp", "form": "bound", "lmbda": [0.5, 4.0], "dimension": 2, "hidden": [8]}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    model = make_model("mlp", "bound", (0.5, 4.0), dimension=2, hidden=[8])
    save_checkpoint(folder / "own.safetensors", model, SPEC)

    def load(name, *overrides):
        text = TEXT.format(output=folder / name, model=folder / "own.safetensors")
        (folder / f"{name}.yaml").write_text(text)
        return load_config(folder / f"{name}.yaml", overrides)

    return load


@pytest.fixture(scope="module")
def rows(config):
    """Of one process."""
    return read_table(evaluate_run(config("one")) / RD_TABLE)


def _assert_same(ours, theirs):
    assert [row.key for row in ours] != []
    ours, theirs = (sorted(rows, key=lambda row: row.key) for rows in (ours, theirs))
    assert [row.key for row in ours] == [row.key for row in theirs]
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(astuple(a), astuple(b), strict=True):
            assert x == (pytest.approx(y, rel=2e-4) if isinstance(y, float) else y)


def test_two_processes_go_on_where_one_was_killed(config, rows):
    """One task is known, by the mark of a row of it, and is kept as it was."""
    first = replace(rows[0], J_se=123.0)
    task = [first, *(r for r in rows[1:] if (r.image, r.lmbda) == (first.image, first.lmbda))]
    chosen = config("two", "evaluation.processes=2")
    folder = enter(chosen, input_digests(open_inputs(chosen)))
    write_table(folder / PARTIAL, task)
    evaluate_run(chosen)
    found = read_table(folder / RD_TABLE)
    marked = [row for row in found if row.J_se == 123.0]
    assert [row.key for row in marked] == [first.key]
    _assert_same([row for row in found if row not in marked], rows[1:])


ON_FOUR = """
import sys
from rdbound.config import load_config
from rdbound.evaluation.evaluator import Evaluator
from rdbound.evaluation.rows import amortized
from rdbound.runs.evaluate import evaluate_run
from rdbound.runs.inputs import open_inputs
config = load_config(sys.argv[1], ["evaluation.batch=4"])
(plan,) = open_inputs(config).plans
evaluator = Evaluator(plan)
variational = amortized(evaluator, evaluator.keyed((0, 1, 2, 3), 1.0))
devices = variational[0].mu.sharding.device_set
assert len(devices) == 4, devices
evaluate_run(config)
"""


def test_four_host_devices_share_a_batch(config, rows):
    output = config("four").output
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    subprocess.run(
        [sys.executable, "-c", ON_FOUR, f"{output}.yaml"],
        check=True,
        env=os.environ | {"XLA_FLAGS": flags},
        stdout=subprocess.DEVNULL,
    )
    _assert_same(read_table(Path(output) / RD_TABLE), rows)


def test_cores_are_shared_out():
    mine = os.sched_getaffinity(0)
    assert core_sets(1) == [mine]
    assert set().union(*core_sets(len(mine))) == mine
    assert all(len(own) == 1 for own in core_sets(len(mine)))
    assert [len(own) for own in core_sets(len(mine) + 1)] == [1] * (len(mine) + 1)
