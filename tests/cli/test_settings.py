"""How much commands say, where they compute, and where overrides may stand."""

import os
from argparse import Namespace

import pytest

from rdbound.cli.main import main
from rdbound.cli.settings import settle
from rdbound.runs.progress import Bars, is_quiet
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
    assert is_quiet()
    main(["references"])
    assert not is_quiet(), "of one command, not of those after it"


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
        with pytest.raises(SystemExit, match="2"):
            main(["train", config, "-q", *strange])
        assert f"unrecognized arguments: {strange[0]}" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["gaps", "a.csv", "--output", "b", "c=d"])


@pytest.mark.parametrize(
    ("device", "platforms", "visible"), [("cpu", "cpu", "7"), ("gpu", "", "7"), ("3", "", "3")]
)
def test_a_device_is_chosen_before_jax_is_imported(monkeypatch, device, platforms, visible):
    """Of GPUs the number alone: the platform is left to JAX, and then looked at."""
    monkeypatch.setenv("JAX_PLATFORMS", "")
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    settle(Namespace(device=device))
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
    with pytest.raises(SystemExit, match="2"):
        main(["verify", "--device", "abacus"])
    assert "'abacus' is none of cpu, gpu, tpu" in capsys.readouterr().err


def test_one_bar_goes_over_all_parts(monkeypatch):
    """Two parts, of tasks of one image and of three, each refined twice in ten steps."""
    seen = []
    with Bars() as bars:
        monkeypatch.setattr(bars, "update", lambda *a, rate: seen.append((a[1], a[2], a[3])))
        for before, name in ((0, "bound"), (4, "codec")):
            show = bars.part(name, before, 8, [1, 3], inner=2)
            for done in (0, 1):
                show(name, done, 4)
                for what in ("refining", "refining"):
                    for step in (5, 10):
                        show(what, step, 10)
            show(name, 4, 4)
    places = [place for place, *_ in seen]
    each = [0, 0.25, 0.5, 0.75, 1, 1, 1.75, 2.5, 3.25, 4, 4]
    assert places == [*each, *(4 + place for place in each)]
    assert all(total == 8 for _, total, _ in seen)
    assert seen[1][2] == "bound: refining"
