"""The lines that are said to be missing are those that add the gaps."""

import pytest
import yaml

from rdbound.config.load import validated
from rdbound.stages.hints import gaps_hint


def _section(**more):
    raw = {"checkpoints": ["mine"], "data": {"source": "folder", "path": "photographs"}} | more
    return validated("c.yaml", {"output": "out", "evaluation": raw}).evaluation


REFINED = {"refinement": {"steps": 20}}


@pytest.mark.parametrize(
    ("more", "forms", "added"),
    [
        ({}, ("bound", "codec"), {"refinement": {"steps": 300}}),
        (REFINED, ("bound",), {"checkpoints": ["mine", "res-context-4-codec"]}),
        (REFINED, ("codec",), {"checkpoints": ["mine", "res-context-4-bound"]}),
        ({}, ("codec",), {"checkpoints": ["mine", "res-context-4-bound"],
                          "refinement": {"steps": 300}}),
    ],
)  # fmt: skip
def test_what_is_missing_is_valid_yaml_and_leaves_nothing_missing(more, forms, added):
    section = _section(**more)
    said = gaps_hint(section, forms)
    assert "gaps need" in said[0]
    assert yaml.safe_load("\n".join(said[1:]))["evaluation"] == added
    assert gaps_hint(_section(**more | added), ("bound", "codec")) == []


def test_a_lossless_model_has_no_gaps_to_add():
    assert gaps_hint(_section(), ("lossless",)) == []
