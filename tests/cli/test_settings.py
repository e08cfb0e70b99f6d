"""How much commands say, where they compute, and where overrides may stand."""

import os

import pytest

from rdbound.cli.main import main
from rdbound.runs.progress import Bars, terminal
from rdbound.utils.progress import LOG
from tests.small_training import small_training

OPTIONS = "steps: 20, batch: 8, warmup: 0, log_every: 10"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(small_training(tmp_path / "configured", OPTIONS))
    return str(path)


def test_a_quiet_command_draws_no_bar_and_says_its_result(config, tmp_path, capsys):
    for name, options in (("loud", []), ("quiet", ["-q"])):
        assert main(["train", config, "--output", str(tmp_path / name), *options]) == 0
        said = capsys.readouterr()
        assert ("training" in said.err) == (name == "loud")
        assert "20 of 20 steps, 8 data each; training takes " in said.out
        assert f"wrote {tmp_path / name / 'model.safetensors'}" in said.out
    assert not (tmp_path / "configured").exists()


def test_a_verbose_command_says_where_an_error_comes_from(config, capsys, monkeypatch):
    monkeypatch.setenv("JAX_LOG_COMPILES", "0")
    for options, traced in (([], False), (["-v"], True)):
        assert main(["evaluate", config, *options]) == 2
        said = capsys.readouterr().err
        assert "rdbound: error: evaluation needs the section" in said
        assert ("Traceback" in said) == traced


def test_overrides_may_stand_behind_options(config, tmp_path, capsys):
    where = f"output={tmp_path / 'behind'}"
    assert main(["train", config, "training.options.steps=10", "--engine", "serial", where]) == 0
    assert (tmp_path / "behind" / "model.safetensors").exists()
    assert 'step": 10' in (tmp_path / "behind" / "metrics.jsonl").read_text()
    for strange in (["--no-such"], ["no-pair"]):
        assert main(["train", config, "-q", *strange]) == 2
        assert strange[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "platforms", "visible"), [("cpu", "cpu", "7"), ("gpu", "", "7"), ("3", "", "3")]
)
def test_a_device_is_chosen_before_a_command_runs(monkeypatch, device, platforms, visible):
    """Of GPUs the number alone: the platform is left to JAX, and then looked at."""
    monkeypatch.setenv("JAX_PLATFORMS", "")
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert main(["train", "no-such.yaml", "--device", device]) == 2
    assert os.environ["JAX_PLATFORMS"] == platforms
    assert os.environ["CUDA_VISIBLE_DEVICES"] == os.environ["HIP_VISIBLE_DEVICES"] == visible


@pytest.mark.parametrize("device", ["gpu", "0", "tpu"])
def test_a_device_that_is_not_there_is_said(capsys, monkeypatch, device):
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("jax.default_backend", lambda: "cpu")
    assert main(["verify", "--device", device]) == 2
    kind = "tpu" if device == "tpu" else "gpu"
    assert f"--device: JAX finds no {kind} here, but cpu" in capsys.readouterr().err


def test_what_is_no_device_is_refused(capsys):
    assert main(["verify", "--device", "abacus"]) == 2
    assert "'abacus' is none of cpu, gpu, tpu" in capsys.readouterr().err


def test_results_go_to_standard_output_and_warnings_to_standard_error(capsys):
    before = (LOG.level, LOG.propagate, list(LOG.handlers))
    with terminal() as shown:
        shown.progress.update("training", 1, 2, "J 0.5")
        LOG.info("a result")
        LOG.warning("a trap")
        shown.mute()
        LOG.info("of another process")
    printed = capsys.readouterr()
    assert printed.out == "a result\n"
    assert "rdbound: warning: a trap\n" in printed.err
    assert "training:  50%" in printed.err
    assert "J 0.5" in printed.err
    assert (LOG.level, LOG.propagate, list(LOG.handlers)) == before


def test_a_quiet_terminal_shows_no_bar(capsys):
    with terminal(quiet=True) as shown:
        shown.progress.update("training", 1, 2)
        LOG.info("a result")
    assert capsys.readouterr() == ("a result\n", "")


def test_a_new_task_replaces_the_bar_of_the_one_before(capsys):
    bars = Bars()
    bars.update("reading", 1, 4)
    bars.update("training", 3, 4)
    bars.close()
    shown = capsys.readouterr().err
    assert "reading:  25%" in shown
    assert "training:  75%" in shown
    assert shown.index("reading") < shown.index("training")
