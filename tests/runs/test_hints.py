"""The lines that are said to be missing are those that add the gaps."""

import pytest
import yaml

from rdbound.config.load import validated
from rdbound.runs.evaluate import gaps_hint


def _config(**more):
    raw = {"checkpoints": ["mine"], "data": {"source": "folder", "path": "photographs"}} | more
    return validated("c.yaml", {"output": "out", "evaluation": raw})


REFINED = {"refinement": {"steps": 20}}


@pytest.mark.parametrize(
    ("more", "forms", "added"),
    [
        ({}, ("bound", "codec"), {"refinement": {"steps": 300}}),
        (REFINED, ("bound",), {"checkpoints": ["mine", "res-context-4-codec"]}),
        (REFINED, ("codec",), {"checkpoints": ["mine", "res-context-4-bound"]}),
        (
            {},
            ("codec",),
            {"checkpoints": ["mine", "res-context-4-bound"], "refinement": {"steps": 300}},
        ),
    ],
)
def test_what_is_missing_is_valid_yaml_and_leaves_nothing_missing(more, forms, added):
    said = gaps_hint(_config(**more), forms, True)
    assert "gaps need" in said[0]
    assert yaml.safe_load("\n".join(said[1:])) == {"output": "out-gaps", "evaluation": added}
    assert gaps_hint(_config(**more | added), ("bound", "codec"), True) == []


def test_a_named_checkpoint_keeps_its_name():
    named = {"name": "ours", "path": "runs/ours"}
    said = gaps_hint(_config(checkpoints=[named], **REFINED), ("bound",), True)
    found = yaml.safe_load("\n".join(said[1:]))["evaluation"]["checkpoints"]
    assert found == [named, "res-context-4-codec"]


def test_what_no_shipped_model_goes_with_is_not_proposed():
    assert gaps_hint(_config(), ("lossless",), True) == []
    assert gaps_hint(_config(), ("bound",), False) == [], "of vectors, or of another distortion"
    assert "checkpoints" not in str(gaps_hint(_config(), ("bound", "codec"), False))
    assert "refinement" in str(gaps_hint(_config(), ("bound", "codec"), False))
