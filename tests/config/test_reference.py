"""The reference of a config is the schema: nothing is missing, and shipped configs obey it."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from rdbound.cli.main import main
from rdbound.config.load import read_yaml
from rdbound.config.reference import config_keys, json_schema
from rdbound.config.schema import CropsConfig
from rdbound.optimization.training_options import TrainingOptions

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))


def test_every_key_has_a_meaning_and_a_type():
    keys = config_keys()
    assert not [key.path for key in keys if not key.meaning.split(": ")[-1]]
    assert not [key.path for key in keys if key.kind == "anything"]


def test_keys_are_told_with_their_defaults():
    keys = {(key.path, key.meaning.split(":")[0] == "crops"): key for key in config_keys()}
    of = {path: key for (path, _), key in keys.items()}
    assert of["output"].default is None
    assert of["seed"][1:3] == ("a whole number", "0")
    assert of["training.options.steps"][1:3] == ("a whole number", str(TrainingOptions().steps))
    assert of["evaluation.refinement.learning_rate"][1:3] == ("a number", "0.01")
    assert of["evaluation.batch"].kind == "a whole number or auto"
    assert of["model.lmbda"].kind == "a number or a pair of numbers"
    assert of["laboratory.cases[].methods[].label"].default == "null"
    crop = keys["training.data.crop", True]
    assert crop.default == str(CropsConfig.model_fields["crop"].default)
    assert "Side of a crop in pixels" in crop.meaning


def test_meanings_go_on_over_lines_and_come_from_bases_too():
    meanings = {key.path: key.meaning for key in config_keys()}
    assert meanings["evaluation.refinement.surrogates"].startswith("Options of surrogate channels")
    assert meanings["evaluation.refinement.steps"] == "Number of steps."
    assert meanings["training.options.hold"].startswith("Fraction of the steps after which")
    assert meanings["training.options.steps_per_call"].endswith("are multiples of it.")
    assert "\n" not in "".join(meanings.values())


def _as_editors_read(value):
    """1e-3 is text to YAML 1.1, which is read here, and a number to YAML 1.2, as editors do."""
    if isinstance(value, dict):
        return {k: _as_editors_read(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_editors_read(v) for v in value]
    number = isinstance(value, str) and re.fullmatch(r"\d+e-\d+", value)
    return float(value) if number else value


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configs_obey_the_json_schema(path):
    jsonschema.validate(_as_editors_read(read_yaml(path)), json_schema())


def test_the_json_schema_refuses_what_the_schema_refuses(capsys):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"output": "a", "sead": 1}, json_schema())
    assert main(["config-reference", "--json-schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["seed"]["description"].startswith("Seed of data, noise")
    assert "Side of a crop" in schema["$defs"]["CropsConfig"]["properties"]["crop"]["description"]
    assert main(["config-reference"]) == 0
    assert "| `training.options.ema`" in capsys.readouterr().out
