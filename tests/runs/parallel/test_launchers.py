"""Cells by processes and by jobs come out as they do one after another, killed or not."""

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from rdbound.checkpoints.checkpoint import load
from rdbound.cli.main import main
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.config import load_config
from rdbound.config.sweep import cells
from rdbound.runs.parallel.launchers import (
    ATTEMPTS,
    CellJob,
    SlurmOptions,
    by_commands,
    by_submitit,
    status_table,
)
from rdbound.runs.parallel.sweep import each_cell
from rdbound.runs.run_folder import is_locked, locked
from rdbound.runs.train import train_run
from tests.small_training import small_training

OPTIONS = "steps: 60, batch: 8, warmup: 0, checkpoint_every: 10, log_every: 10"

# Runs the command it is given; where a file lies beside the config, kills it once it has a
# checkpoint, and then itself.
WRAPPER = """
import os, signal, subprocess, sys, time
from pathlib import Path
config = Path(sys.argv[-1])
mark = config.with_suffix(".kill")
child = subprocess.Popen([sys.executable, "-m", "rdbound", *sys.argv[1:]])
if mark.exists():
    mark.unlink()
    folder = config.parents[1] / config.stem / "checkpoints"
    while child.poll() is None and not any(folder.glob("[0-9]*/state")):
        time.sleep(0.01)
    child.kill()
    child.wait()
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(child.wait())
"""


def _config(folder, seeds):
    folder.mkdir(exist_ok=True)
    sweep = f'sweep: {{seed: {seeds}, name: "{{seed}}"}}'
    (folder / "c.yaml").write_text(small_training(folder / "out", OPTIONS, more=sweep))
    return load_config(folder / "c.yaml")


def _weights(folder, seed):
    return flat_weights(load(folder / "out" / str(seed)).model)


def _same(one, other):
    return one.keys() == other.keys() and all((one[k] == other[k]).all() for k in one)


def _killed_and_serial(tmp_path, seeds, killed):
    """A sweep of which some cells are killed once, and the same one after another."""
    config = _config(tmp_path / "local", seeds)
    jobs = tmp_path / "local" / "out" / "jobs"
    jobs.mkdir(parents=True)
    for seed in killed:
        (jobs / f"{seed}.kill").touch()
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text(WRAPPER)
    runner = by_commands("train", Path(config.output), 2, (sys.executable, str(wrapper)))
    each_cell(config, train_run, runner)
    each_cell(_config(tmp_path / "serial", seeds), train_run)
    return jobs


@pytest.mark.slow
def test_eight_cells_of_which_two_are_killed_are_those_of_the_serial_run(tmp_path):
    jobs = _killed_and_serial(tmp_path, list(range(8)), (2, 5))
    for seed in range(8):
        assert _same(_weights(tmp_path / "local", seed), _weights(tmp_path / "serial", seed))
    assert not list(jobs.glob("*.kill"))


@pytest.mark.slow
def test_a_killed_cell_goes_on_and_a_finished_one_is_left_alone(tmp_path):
    jobs = _killed_and_serial(tmp_path, [0, 1], (1,))
    for seed in (0, 1):
        assert _same(_weights(tmp_path / "local", seed), _weights(tmp_path / "serial", seed))
    assert not _same(_weights(tmp_path / "local", 0), _weights(tmp_path / "local", 1))
    starts = (tmp_path / "local" / "out" / "1" / "provenance.json").read_text()
    assert starts.count('"seed"') == 2, "begun twice, the second time where the first had come to"
    table = status_table(tmp_path / "local" / "out")
    assert [row[:2] for row in table.rows] == [("0", "finished"), ("1", "finished")]
    # Nothing is left to do: a program that cannot run is not asked to.
    config = load_config(tmp_path / "local" / "c.yaml")
    runner = by_commands("train", Path(config.output), 2, ("/no/such/program",))
    assert list(runner(cells(config))) == [(cell, None) for cell in cells(config)]
    assert "wrote" in (jobs / "0.log").read_text()


def _script(folder, text):
    path = folder / "program"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return (str(path),)


def test_what_fails_says_its_last_line_and_what_is_killed_is_tried_again(tmp_path, capsys):
    config = _config(tmp_path, [0, 1])
    folder = Path(config.output)
    program = _script(
        tmp_path,
        'case "$2" in */0.yaml) echo "rdbound: error: no room"; exit 2;; '
        "esac; echo once; kill -9 $$",
    )
    found = {
        cell.seed: wrong for cell, wrong in by_commands("train", folder, 2, program)(cells(config))
    }
    assert found[0] == "no room"
    assert f"ended by signal 9 {ATTEMPTS} times" in found[1]
    assert (folder / "jobs" / "1.log").read_text().count("once") == ATTEMPTS
    assert [row[1:] for row in status_table(folder).rows] == [
        ("failed", "no room"),
        ("failed", "once"),
    ]
    assert main(["status", str(folder)]) == 0
    assert "no room" in capsys.readouterr().out
    assert main(["status", str(tmp_path)]) == 2


def test_as_many_run_at_once_as_are_asked_for(tmp_path):
    config = _config(tmp_path, list(range(4)))
    program = _script(
        tmp_path, f"d={tmp_path}/now; mkdir -p $d; touch $d/$$; ls $d | wc -l; sleep 0.3; rm $d/$$"
    )
    began = time.monotonic()
    assert all(
        w is None for _, w in by_commands("train", Path(config.output), 2, program)(cells(config))
    )
    assert time.monotonic() - began >= 0.6
    seen = [int(log.read_text()) for log in (Path(config.output) / "jobs").glob("*.log")]
    assert max(seen) == 2


def test_a_lock_is_seen_from_outside(tmp_path):
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


STUB = """
import pathlib, sys
pathlib.Path(sys.argv[0]).with_name("seen.txt").write_text(pathlib.Path(sys.argv[-1]).read_text())
print("Submitted batch job 17")
"""


def test_slurm_is_asked_for_an_array_of_the_right_size(tmp_path, monkeypatch):
    """With a stub of sbatch: what it is given is read, nothing runs."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in ("sbatch", "srun", "sacct"):
        (bin_ / name).write_text(f"#!{sys.executable}\n{STUB}")
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("rdbound.runs.parallel.launchers._result", lambda job: f"job {job.job_id}")
    config = _config(tmp_path, [0, 1, 2])
    options = SlurmOptions("gpu-long", gpus=1, minutes=90, at_once=2)
    runner = by_submitit("train", Path(config.output), options)
    assert [wrong for _, wrong in runner(cells(config))] == ["job 17_0", "job 17_1", "job 17_2"]
    script = (bin_ / "seen.txt").read_text()
    for line in (
        "--partition=gpu-long",
        "--gpus-per-node=1",
        "--time=90",
        "--array=0-2%2",
        "--job-name=rdbound",
    ):
        assert f"#SBATCH {line}" in script
    assert "submitit.core._submit" in script
    assert (Path(config.output) / "jobs" / "2.yaml").exists()


@pytest.mark.slow
def test_jobs_of_submitit_are_those_of_the_serial_run(tmp_path):
    config = _config(tmp_path / "jobs", [0, 1])
    runner = by_submitit("train", Path(config.output), SlurmOptions(minutes=5), cluster="local")
    assert all(wrong is None for _, wrong in runner(cells(config)))
    each_cell(_config(tmp_path / "serial", [0, 1]), train_run)
    for seed in (0, 1):
        assert _same(_weights(tmp_path / "jobs", seed), _weights(tmp_path / "serial", seed))


def test_a_job_returns_what_is_wrong_and_is_queued_again_as_it_was(tmp_path):
    (tmp_path / "bad.yaml").write_text("output: x\nmodel: 3\n")
    assert "model" in CellJob("train")(str(tmp_path / "bad.yaml"))
    again = CellJob("train").checkpoint("a.yaml")
    assert again.function == CellJob("train")
    assert again.args == ("a.yaml",)
