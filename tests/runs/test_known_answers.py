import dataclasses
import logging
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from rdbound.cli.main import main
from rdbound.config import load_config
from rdbound.runs.known_answers import Case, answers_run, solve
from rdbound.sources import make_source
from rdbound.tables.estimates import read_answers, write_answers
from rdbound.theory import Estimate


def test_a_run_leaves_table_figure_and_report_and_resumes(config, tmp_path, caplog):
    caplog.set_level(logging.INFO, "rdbound")
    assert answers_run(load_config(config)) == tmp_path / "run"
    folder = tmp_path / "run"
    answers = read_answers(folder / "answers.csv")
    assert [a.method for a in answers] == ["blahut-arimoto"] * 2 + ["exact"] * 2 + [
        "shannon-lower",
        "neural-upper",
    ]
    assert [a.rate_error for a in answers] == [None] * 6
    assert "No bound lies on the wrong side" in (folder / "report.md").read_text()
    assert "No bound lies on the wrong side" in caplog.text
    assert (folder / "answers.png").stat().st_size > 10_000
    answers_run(load_config(config))
    assert "nothing to do" in caplog.text
    # What an interrupted run had solved is kept.
    (folder / "finished.json").unlink()
    write_answers(folder / "answers.csv", [dataclasses.replace(a, seconds=77) for a in answers[:4]])
    answers_run(load_config(config))
    assert [a.seconds == 77 for a in read_answers(folder / "answers.csv")] == [True] * 4 + [
        False
    ] * 2


def test_an_answer_has_every_number_of_its_estimate():
    source, method = make_source("gaussian", variances=[1.0]), Mock()
    method.solve.return_value = [
        Estimate(
            source=source,
            method=method,
            side="upper",
            lmbda=2.0,
            rate=0.7,
            distortion=0.2,
            standard_error=0.01,
            tolerance=0.02,
            seconds=3.0,
            status="slow",
            rate_error=0.03,
            distortion_error=0.04,
            certificate=None,
        )
    ]
    (answer,) = solve([Case("s", "m", source, method, (2.0,))], 0)
    exact = source.exact(2.0)
    assert (answer.rate, answer.distortion, answer.lmbda, answer.side) == (0.7, 0.2, 2.0, "upper")
    assert (answer.standard_error, answer.tolerance) == (0.01, 0.02)
    assert (answer.rate_error, answer.distortion_error) == (0.03, 0.04)
    assert (answer.seconds, answer.status) == (3.0, "slow")
    assert answer.exact_rate == pytest.approx(0.5 * np.log2(1 / 0.2))
    assert answer.exact_slope == pytest.approx(1 / (2 * np.log(2) * 0.2), rel=1e-3)
    assert answer.exact_J == exact.J(2.0)


def test_sources_of_all_shipped_configs_go_into_one_table():
    folder = Path(__file__).parents[2] / "configs" / "known_answers"
    labels = [
        case.label
        for path in sorted(folder.glob("*.yaml"))
        for case in load_config(path).laboratory.cases
    ]
    assert len(labels) > 10
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: bernoulli", "name: coin", "unknown source 'coin'"),
        ("{name: exact}", "{name: blahut-arimoto}", "give one of them a label"),
        ("p: 0.3", "q: 0.3", "source 'bernoulli'"),
        ("bernoulli, options: {p: 0.3}", "uniform-finite, options: {k: 10000000}", "GiB of memory"),
        ("lmbdas: [2.0]", "lmbdas: [-2.0]", "greater than 0"),
        ("lmbdas: [2.0]", "lmbdas: [2.0, 2.0]", "given twice"),
        ("label: gaussian", "label: coin", "two cases are called coin"),
        ("steps: 200", "steps: many", "method 'neural-upper'"),
        ("label: coin", "lable: coin", "did you mean 'label'"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(config, capsys, old, new, message):
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert main(["answers", str(config)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_method_that_refuses_does_not_cost_the_others(config, tmp_path):
    config.write_text(config.read_text().replace("{name: exact}", "{name: wasserstein}"))
    with pytest.raises(ValueError, match="coin: wasserstein-hybrid: wasserstein-hybrid needs squ"):
        answers_run(load_config(config))
    kept = read_answers(tmp_path / "run" / "answers.csv")
    assert {a.method for a in kept} == {"blahut-arimoto", "shannon-lower", "neural-upper"}
