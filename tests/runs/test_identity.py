"""A run's identity is what changes its numbers."""

import pytest
import yaml

from rdbound.config import load_config
from rdbound.runs.run_folder import LAUNCH, identity, same_run
from tests.runs.conftest import enter

TEXT = """
output: {output}
model: {{name: res-hyper-1, form: bound, lmbda: 0.01}}
training:
  data: {{source: folder, path: pictures, crop: 64}}
  channel: {{name: gaussian}}
  options: {{steps: 10}}
evaluation: {{checkpoints: [a], data: {{source: kodak}}}}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(TEXT.format(output=tmp_path / "run"))
    return lambda *overrides: load_config(path, overrides)


@pytest.mark.parametrize(
    "override",
    [
        "output=elsewhere",
        "training.data.path=moved",
        "training.data.cache_gib=7.0",
        "training.options.checkpoint_every=3",
        "training.options.log_every=3",
        "evaluation.batch=5",
        "evaluation.processes=3",
        "evaluation.keep_streams=true",
        "evaluation.anchor=vtm-22.0-8bit",
        "evaluation.data.path=moved",
        "evaluation.checkpoints=[b]",
        "model.start_from=x",
    ],
)
def test_how_it_is_launched_is_not_part_of_it(config, override):
    assert identity(config(override)) == identity(config())
    assert override.partition("=")[0] in LAUNCH


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "training.options.steps=11",
        "training.options.ema=0.5",
        "training.data.crop=128",
        "training.channel.name=uniform",
        "model.lmbda=0.02",
        "evaluation.samples=3",
        "evaluation.refinement={steps: 3}",
        "evaluation.lmbdas=[0.01]",
        "evaluation.methods=[bound-sampled]",
        "model.options={latent: 64}",
        "model.distortion={name: ms-ssim}",
    ],
)
def test_what_changes_numbers_is(config, override):
    assert identity(config(override)) != identity(config())


def test_a_run_of_an_older_schema_is_entered_again(config, tmp_path):
    """A default that was new after the run began is filled in; an unknown key is another run."""
    folder = enter(config(), {"training.data": "abc"})
    stored = folder / "config.yaml"
    raw = yaml.safe_load(stored.read_text())
    for section, key in (
        ("evaluation", "methods"),
        ("evaluation", "samples"),
        ("model", "distortion"),
    ):
        del raw[section][key]
    del raw["training"]["data"]["held_out"]
    stored.write_text(yaml.safe_dump(raw))
    assert same_run(stored, config("training.options.log_every=1"))
    assert not same_run(stored, config("training.options.steps=11"))
    enter(config(), {"training.data": "abc"})
    raw["training"]["forgotten"] = 3
    stored.write_text(yaml.safe_dump(raw))
    with pytest.raises(ValueError, match="another configuration"):
        enter(config(), {"training.data": "abc"})


def test_other_contents_are_another_run(config):
    enter(config(), {"training.data": "abc"})
    with pytest.raises(ValueError, match=r"other contents of training\.data"):
        enter(config("training.data.path=moved"), {"training.data": "abd"})
