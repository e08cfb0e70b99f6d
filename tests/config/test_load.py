import json
from pathlib import Path

import pytest
import yaml

from rdbound.config import ConfigError, cells, load_config, to_yaml
from rdbound.config.load import validated
from rdbound.runs.evaluate import gaps_hint

CONFIGS = Path(__file__).parents[2] / "configs"

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


def test_options_of_surrogates_are_kept_as_they_are_written(tmp_path):
    """Progress is a fraction of the steps: nothing is computed from their number."""
    surrogates = {"sga": {"start": 0.2, "final": 0.01}}
    refinement = {"steps": 200, "optimizer": "adamax", "surrogates": surrogates}
    section = {"checkpoints": ["a"], "data": {"source": "kodak"}, "refinement": refinement}
    config = load_config(_write(tmp_path, yaml.safe_dump({"output": "x", "evaluation": section})))
    assert config.evaluation.refinement.surrogates == surrogates
    assert config.evaluation.refinement.optimizer == "adamax"
    again = load_config(_write(tmp_path, to_yaml(config)), ["evaluation.refinement.steps=300"])
    assert again.evaluation.refinement.surrogates == surrogates


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


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output: [", "not valid YAML"),
        ("- a list", "expected a mapping"),
        ("", "found NoneType"),
        ("output: a\noutput: b", "'output' is given twice"),
        ("seed: 1", "output: Field required"),
        ("output: !!bool abc", "'abc' is no bool, line 1, column 9"),
        ("output: !!timestamp abc", "'abc' is no timestamp"),
        ("output: !!int ''", "'' is no int"),
        ("seed: 2001-13-45", "'2001-13-45' is no timestamp"),
        ("? [a, b]\n: 1", r"\['a', 'b'\] cannot be a key"),
        ("output: " + 2000 * "[" + 2000 * "]", "nested too deep"),
        ("output: x\nseed: " + 5000 * "1", "is no int, line 2"),
        ("output: x\nseed: " + 4000 * "1", "seed: .*less than 4294967296, found a huge number"),
        ("output: x\nseed: -1", "seed: .*greater than or equal to 0, found -1"),
        ("output: x\nseed: " + 5000 * "a", "seed: .*, found 'a{119}…$"),
        (LAUGHS, "its aliases .* make more than 100,000 values of it"),
        ("output: x\n" + 150_000 * "# more\n", "1,050,010 bytes are no config; 1,048,576 are"),
        ("output: &a [*a]", "its aliases hold themselves"),
        ("output: \0", "not valid YAML"),
        ("output: x\nmodel: {name: mlp, form: bound, lmbda: .inf}", "finite number"),
        ("output: x\n1: 2", "1: Keys should be strings"),
    ],
)
def test_files_that_are_no_configs(tmp_path, text, message):
    path = _write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as error:
        load_config(path)
    assert all(line.startswith(f"{path}: ") for line in str(error.value).splitlines())
    assert len(str(error.value)) < 500


def test_a_file_in_another_encoding_is_named(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"output: \xff\xfe")
    with pytest.raises(ConfigError, match=r"c\.yaml: not valid YAML"):
        load_config(tmp_path / "c.yaml")


def test_aliases_within_the_limit_are_values_like_others(tmp_path):
    text = GOOD + "evaluation: {checkpoints: &a [x, y], data: {source: kodak}, methods: *a}\n"
    config = load_config(_write(tmp_path, text))
    assert config.evaluation.methods == config.evaluation.checkpoints == ("x", "y")


@pytest.mark.parametrize("override", ["steps", "=3", "output.deep=3", "seed=[1", "seed=!!int a"])
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


def _sweep(tmp_path, text):
    return load_config(_write(tmp_path, GOOD + f"sweep: {text}\n"))


def _folders(tmp_path, text):
    return [Path(c.output).name for c in cells(_sweep(tmp_path, text))]


def test_zipped_lists_go_together_and_the_others_cross(tmp_path):
    text = "{zip: {model.lmbda: [0.0018, 0.0483], training.options.steps: [20, 10]}, seed: [0, 1]}"
    grid = cells(_sweep(tmp_path, text))
    assert [(c.model.lmbda, c.training.options.steps, c.seed) for c in grid] == [
        (0.0018, 20, 0),
        (0.0018, 20, 1),
        (0.0483, 10, 0),
        (0.0483, 10, 1),
    ]
    assert grid[3].output == "runs/x/lmbda=0.0483,steps=10,seed=1"


@pytest.mark.parametrize(
    ("name", "folders"),
    [
        ("{lmbda}-s{seed}", ["0.0018-s0", "0.0018-s1"]),
        ("a {model.lmbda} at {seed}", ["a_0.0018_at_0", "a_0.0018_at_1"]),
    ],
)
def test_a_template_names_the_cells(tmp_path, name, folders):
    text = f'{{name: "{name}", model.lmbda: [0.0018], seed: [0, 1]}}'
    assert _folders(tmp_path, text) == folders


def test_things_by_name_are_called_by_it(tmp_path):
    text = "{training.channel: [{name: gaussian}, {name: sampled, options: {}}]}"
    assert _folders(tmp_path, text) == ["channel=gaussian", "channel=sampled"]
    assert _folders(tmp_path, "{model.lmbda: [[0.1, 0.2]]}") == ["lmbda=0.1-0.2"]


@pytest.mark.parametrize(
    "values", [["a/b", "a_b", "c"], ["A", "a", "c"], [300 * "x" + "y", 300 * "x" + "z", "c"]]
)
def test_cells_that_would_be_called_alike_have_folders_of_their_own(tmp_path, values):
    folders = _folders(tmp_path, json.dumps({"model.start_from": values}))
    assert len({name.casefold() for name in folders}) == 3
    assert folders[2] == "start_from=c", "and no others are renamed"
    assert max(map(len, folders)) < 100
    turned = _folders(tmp_path, json.dumps({"model.start_from": values[::-1]}))
    assert turned == folders[::-1], "by their own values"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{sead: [0, 1]}", "did you mean 'seed'"),
        ("{seed: []}", "sweep: the list of seed is empty"),
        ("{zip: {seed: []}}", "sweep: the list of seed is empty"),
        ("{seed: [0, 0]}", "sweep: two cells are alike: seed=0"),
        ("{seed: [0], zip: {seed: [1]}}", "seed has two lists"),
        ("{zip: {seed: [0, 1], model.lmbda: [0.1]}}", "one length .* found seed 2, model.lmbda 1"),
        ("{output: [a, b]}", "output cannot be swept"),
        ("{output.x: [a]}", "output.x cannot be swept"),
        ("{seed.x: [1]}", "sweep: seed.x: seed is a value and holds no keys"),
        ("{seed: [0, -1]}", "sweep, seed=-1: seed: .*found -1"),
        ("{name: same, seed: [0, 1]}", "2 cells would be called 'same'; name more of {seed}"),
        ("{name: '{sed}', seed: [0, 1]}", "{sed} is not swept; choose of seed"),
        ("{name: '.', seed: [0]}", "cannot be the name of a folder"),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_refused(tmp_path, text, message):
    config = _sweep(tmp_path, text)
    with pytest.raises(ConfigError, match=message):
        cells(config)


def test_a_list_is_expected(tmp_path):
    with pytest.raises(ConfigError, match=r"sweep\.seed: Input should be a valid list, found 3"):
        _sweep(tmp_path, "{seed: 3}")


def test_too_many_cells_are_refused_before_they_are_made(tmp_path):
    keys = "training.options.steps", "training.options.batch", "training.options.warmup", "seed"
    text = ", ".join(f"{key}: {list(range(1, 1001))}" for key in keys)
    with pytest.raises(ConfigError, match="sweep: 1000000000000 cells; at most 4096"):
        cells(_sweep(tmp_path, "{" + text + "}"))


def test_a_sweep_of_nothing_is_the_config_itself(tmp_path):
    config = _sweep(tmp_path, "{}")
    assert cells(config) == [config]


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_configs_are_valid_and_say_what_they_are(path, monkeypatch):
    monkeypatch.setenv("RDBOUND_DATA", "/data")
    assert cells(load_config(path))
    head = path.read_text().splitlines()[:4]
    for line, word in zip(head, ("# What:", "# Run:", "# Time:", "# Expect:"), strict=True):
        assert line.startswith(word), f"{path}: {line}"


def test_the_config_of_six_lines_in_the_readme_is_one():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    block = text.split("## Evaluate your images")[1].split("```yaml\n")[1].split("```")[0]
    assert len(block.splitlines()) == 6
    config = validated("README.md", yaml.safe_load(block))
    assert gaps_hint(config, ("bound", "codec"), True) == []
