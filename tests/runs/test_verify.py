import logging

import pytest

from rdbound.config import load_config
from rdbound.runs import known_answers
from rdbound.sources.base import Point
from rdbound.sources.gaussian import GaussianSource


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (0.5, False)])
def test_verify_fails_naming_the_method_whose_bound_is_below_the_truth(
    config, monkeypatch, caplog, tmp_path, shift, passes
):
    """A rate that is half a bit too small is one half a bit below the exact rate."""
    caplog.set_level(logging.INFO, "rdbound")
    monkeypatch.setattr(known_answers, "VERIFY", config)
    exact = GaussianSource.exact
    monkeypatch.setattr(
        GaussianSource,
        "exact",
        lambda self, lmbda: Point(exact(self, lmbda).rate + shift, exact(self, lmbda).distortion),
    )
    assert known_answers.verify(tmp_path / "out") == passes
    assert (tmp_path / "out" / "answers.csv").exists()
    assert ("no upper bound below the truth" in caplog.text) == passes
    assert ("WRONG: neural-upper on gaussian" in caplog.text) == (not passes)


def test_the_shipped_subset_is_a_valid_config():
    section = load_config(known_answers.VERIFY).laboratory
    assert {m.name for case in section.cases for m in case.methods} >= {
        "blahut-arimoto",
        "nerd",
        "neural-lower",
        "neural-upper",
        "shannon-lower",
        "wasserstein",
    }
