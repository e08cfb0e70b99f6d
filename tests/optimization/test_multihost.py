"""Several processes train the model that one process with all their devices does."""

import os
import socket
import subprocess
import sys

import pytest

from rdbound.checkpoints.checkpoint import load
from rdbound.cli.main import main
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.optimization.training_state import read_metrics
from tests.small_training import small_training

OPTIONS = "steps: 60, batch: 8, warmup: 0, checkpoint_every: 20, log_every: 10"


def _config(folder, name):
    path = folder / f"{name}.yaml"
    path.write_text(small_training(folder / name, OPTIONS, hidden="[8]"))
    return str(path)


def _start(config, *more, devices=1):
    flags = os.environ.get("XLA_FLAGS", "")
    env = os.environ | {"XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count={devices}"}
    return subprocess.Popen(
        [sys.executable, "-m", "rdbound", "train", config, *more],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _start_two(config):
    """The second process, and the first."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    return [
        _start(
            config, "--coordinator", f"localhost:{port}", "--processes", "2", "--process", str(k)
        )
        for k in (1, 0)
    ]


@pytest.mark.slow
def test_two_processes_train_as_one_with_two_devices(tmp_path):
    shared = _start_two(_config(tmp_path, "shared"))
    said = [process.communicate(timeout=240)[0] for process in shared]
    assert [process.returncode for process in shared] == [0, 0]
    assert "wrote" not in said[0], "the first process speaks for all"
    assert "wrote" in said[1]
    alone = _start(_config(tmp_path, "alone"), devices=2)
    assert "wrote" in alone.communicate(timeout=240)[0]
    ours, theirs = (flat_weights(load(tmp_path / name).model) for name in ("shared", "alone"))
    assert all((ours[name] == theirs[name]).all() for name in ours)
    logs = [[log["J"] for log in read_metrics(tmp_path / name)] for name in ("shared", "alone")]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 6
    starts = (tmp_path / "shared" / "provenance.json").read_text()
    assert starts.count('"seed"') == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--coordinator", "localhost:1"], "needs --processes N and --process K"),
        (["--processes", "2", "--process", "0"], "need --coordinator HOST:PORT"),
        (["--coordinator", "auto"], "rdbound: error: --coordinator auto: "),
        (["--coordinator", "auto", "--engine", "local"], "no other engine"),
        (["--coordinator", "auto", "sweep={seed: [0, 1]}"], "no sweep"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(tmp_path, capsys, more, said):
    assert main(["train", _config(tmp_path, "refused"), *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


@pytest.mark.slow
def test_what_the_first_process_refuses_all_refuse_at_once(tmp_path):
    config = _config(tmp_path, "foreign")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    both = _start_two(config)
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    for text in said:
        assert "is not empty and not a run of rdbound" in text
        assert "Traceback" not in text
