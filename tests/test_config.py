from pathlib import Path

import pytest
import yaml

from rdbound.config import ConfigError, cells, load_config, to_yaml
from rdbound.stages.quickstart import quickstart_config

CONFIGS = Path(__file__).parents[1] / "configs"

GOOD = """
output: runs/x
model: {name: res-hyper-1, form: bound, lmbda: [0.0009, 0.0966]}
training:
  data: {source: folder, path: pictures, crop: 64}
  channel: {name: gaussian}
  options: {steps: 10, learning_rate: 5e-4}
"""


def _write(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_overrides_reach_any_depth(tmp_path):
    path = _write(tmp_path, GOOD)
    config = load_config(path, ["training.options.steps=99", "seed=7", "model.lmbda=0.0162"])
    assert config.training.options.steps == 99
    assert config.training.options.learning_rate == 5e-4
    assert config.seed == 7
    assert config.model.lmbda == 0.0162


def test_the_resolved_config_resolves_to_itself(tmp_path):
    config = load_config(_write(tmp_path, GOOD))
    again = load_config(_write(tmp_path, to_yaml(config)))
    assert again == config


def test_every_mistake_is_reported_at_once_with_the_nearest_key(tmp_path, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    path = _write(
        tmp_path,
        """
output: runs/x
sede: 1
model: {name: res-hyper-4, form: bond, lmbda: [0.1, 0.01], optoins: {}}
training:
  data: {source: folder, path: "${NOT_SET}/train", crp: 128}
  channel: {name: gaussian}
  options: {stepz: 10, batch: -1}
evaluation: {checkpoints: [a], data: {source: kodak}, refinement: {step: 3}}
""",
    )
    with pytest.raises(ConfigError) as error:
        load_config(path)
    text = str(error.value)
    for expected in (
        "sede: unknown key; did you mean 'seed'?",
        "model.form: Input should be 'bound' or 'codec', found 'bond'",
        "model.lmbda",
        "model.optoins: unknown key; did you mean 'options'?",
        "training.data.path: the environment variable NOT_SET is not set",
        "training.data.crp: unknown key; did you mean 'crop'?",
        "training.options.stepz: unknown key; did you mean 'steps'?",
        "training.options.batch: Input should be greater than 0, found -1",
        "evaluation.refinement.step: unknown key; did you mean 'steps'?",
    ):
        assert expected in text
    assert all(line.startswith(str(path)) for line in text.splitlines())


@pytest.mark.parametrize(("text", "message"), [
    ("output: [", "not valid YAML"), ("- a list", "expected a mapping"),
    ("output: a\noutput: b", "'output' is given twice"),
    ("seed: 1", "output: Field required")])  # fmt: skip
def test_files_that_are_no_configs(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(_write(tmp_path, text))


@pytest.mark.parametrize("override", ["steps", "=3", "output.deep=3", "seed=[1"])
def test_overrides_that_are_none(tmp_path, override):
    with pytest.raises(ConfigError, match="override"):
        load_config(_write(tmp_path, GOOD), [override])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such config"):
        load_config(tmp_path / "none.yaml")


def test_a_sweep_is_a_grid_with_folders_of_its_own(tmp_path):
    text = GOOD + "sweep: {model.lmbda: [0.0018, 0.0054], seed: [0, 1, 2]}\n"
    grid = cells(load_config(_write(tmp_path, text)))
    assert len(grid) == len({c.output for c in grid}) == 6
    assert {(c.model.lmbda, c.seed) for c in grid} == {
        (x, s) for x in (0.0018, 0.0054) for s in range(3)
    }
    assert all(c.sweep is None and c.output.startswith("runs/x/") for c in grid)
    assert "lmbda=0.0018,seed=0" in grid[0].output


def test_a_misspelt_sweep_key_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'seed'"):
        cells(load_config(_write(tmp_path, GOOD + "sweep: {sead: [0, 1]}\n")))


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_configs_are_valid_and_say_what_they_are(path, monkeypatch):
    monkeypatch.setenv("RDBOUND_DATA", "/data")
    assert cells(load_config(path))
    head = path.read_text().splitlines()[:4]
    for line, word in zip(head, ("# What:", "# Run:", "# Time:", "# Expect:"), strict=True):
        assert line.startswith(word), f"{path}: {line}"


def test_the_quickstart_is_its_config():
    raw = yaml.safe_load((CONFIGS / "quickstart.yaml").read_text())
    config = load_config(CONFIGS / "quickstart.yaml")
    assert quickstart_config(raw["output"]) == config
