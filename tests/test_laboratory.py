import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rdbound import laboratory
from rdbound.tables.answers import Answer, read_answers, write_answers
from rdbound.channels import GaussianChannel
from rdbound.cli import main
from rdbound.config import load_config
from rdbound.report import answers_figure
from rdbound.sources import exact_rate, exact_slope, make_source

SMALL = """
output: {output}
laboratory:
  cases:
    - label: coin
      source: {{name: bernoulli, options: {{p: 0.3}}}}
      lmbdas: [1.0, 4.0]
      methods: [{{name: blahut-arimoto}}, {{name: exact}}]
    - label: gaussian
      source: {{name: gaussian, options: {{variances: [1.0]}}}}
      lmbdas: [2.0]
      methods:
        - {{name: shannon-lower}}
        - name: neural-upper
          options: {{hidden: [], learning_rate: 0.05, steps: 200, test: 4000}}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.format(output=tmp_path / "run"))
    return path


def _answer(**changes):
    base = Answer("s", "m", "upper", 1.0, 0.5, 0.5, 0.01, 0.0, 0.5, 1.0, 1.0, 0.1, "")
    return dataclasses.replace(base, **changes)


def test_a_bound_may_err_by_three_standard_errors_on_its_wrong_side():
    assert not laboratory.violations([_answer(rate=0.471), _answer(rate=5.0)])
    assert not laboratory.violations([_answer(kind="lower", rate=0.529), _answer(exact_J=None)])
    for wrong in (
        _answer(rate=0.469),
        _answer(kind="lower", rate=0.531),
        _answer(kind="exact", rate=0.531),
        _answer(kind="exact", rate=0.469),
    ):
        (line,) = laboratory.violations([wrong])
        assert "WRONG: m on s" in line
    assert not laboratory.violations([_answer(rate=0.469, tolerance=0.01)])


def test_a_point_far_from_its_slope_may_not_lie_below_the_curve():
    """R(D) of a Gaussian at λ = 64 and a D at which J, four times steeper, cannot tell."""
    source, lmbda = make_source("gaussian", variances=[1.0]), 64.0
    D = 0.0345
    point = _answer(
        lmbda=lmbda, rate=2.0, distortion=D, exact_J=source.exact(lmbda).J(lmbda),
        exact_rate=exact_rate(source, D), exact_slope=exact_slope(source, D), standard_error=0.005,
    )  # fmt: skip
    assert point.exact_slope == pytest.approx(1 / (2 * np.log(2) * D), rel=1e-3)
    assert point.error > 0
    (line,) = laboratory.violations([point])
    assert "below R(D) at D = 0.0345" in line
    assert not laboratory.violations([dataclasses.replace(point, rate=point.exact_rate - 0.014)])


@pytest.mark.parametrize("field", ["rate", "standard_error"])
def test_what_is_not_finite_is_wrong(field):
    (line,) = laboratory.violations([_answer(**{field: float("nan")})])
    assert "not finite" in line


def test_bounds_must_not_cross_even_where_the_truth_is_unknown():
    upper = _answer(method="up", exact_J=None)
    for rate, wrong in ((0.53, False), (0.55, True)):
        lower = _answer(method="low", kind="lower", rate=rate, exact_J=None)
        assert bool(laboratory.violations([upper, lower])) == wrong


def test_a_table_reads_as_it_was_written(tmp_path):
    answers = [
        _answer(),
        _answer(exact_rate=None, exact_slope=None, exact_J=None, status="stopped, early"),
    ]
    write_answers(tmp_path / "answers.csv", answers)
    assert read_answers(tmp_path / "answers.csv") == answers
    assert answers[0].error == pytest.approx(0.0)
    assert answers[1].error is None
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="lacks the column source"):
        read_answers(tmp_path / "other.csv")


def test_a_run_leaves_table_figure_and_report_and_resumes(config, tmp_path, capsys):
    assert main(["answers", str(config)]) == 0
    folder = tmp_path / "run"
    answers = read_answers(folder / "answers.csv")
    assert [a.method for a in answers] == ["blahut-arimoto"] * 2 + ["exact"] * 2 + [
        "shannon-lower",
        "neural-upper",
    ]
    assert "No bound lies on the wrong side" in (folder / "report.md").read_text()
    assert (folder / "answers.png").stat().st_size > 10_000
    assert main(["answers", str(config)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    # What an interrupted run had solved is kept.
    (folder / "finished.json").unlink()
    write_answers(folder / "answers.csv", [dataclasses.replace(a, seconds=77) for a in answers[:4]])
    assert main(["answers", str(config)]) == 0
    assert [a.seconds == 77 for a in read_answers(folder / "answers.csv")] == [True] * 4 + [
        False
    ] * 2


def test_verify_passes_and_a_broken_rate_fails_naming_the_method(config, monkeypatch, capsys):
    monkeypatch.setattr(laboratory, "VERIFY", config)
    assert main(["verify"]) == 0
    assert "no upper bound below the truth" in capsys.readouterr().out
    whole = GaussianChannel.__call__

    def halved(self, posterior, prior, key):
        sample, bits = whole(self, posterior, prior, key)
        return type(whole(self, posterior, prior, key))(sample, 0.5 * bits)

    monkeypatch.setattr(GaussianChannel, "__call__", halved)
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert "WRONG: neural-upper on gaussian" in out
    assert "no upper bound below" not in out


def test_sources_of_all_shipped_configs_go_into_one_table():
    folder = Path(__file__).parents[1] / "configs" / "known_answers"
    labels = [
        case.label
        for path in sorted(folder.glob("*.yaml"))
        for case in load_config(path).laboratory.cases
    ]
    assert len(labels) > 10
    assert len(set(labels)) == len(labels)


def test_the_shipped_subset_is_a_valid_config():
    section = load_config(laboratory.VERIFY).laboratory
    assert {m.name for case in section.cases for m in case.methods} >= {
        "blahut-arimoto",
        "nerd",
        "neural-lower",
        "neural-upper",
        "shannon-lower",
        "wasserstein",
    }


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
        ("steps: 200", "steps: many", "method 'neural-upper': steps"),
        ("label: coin", "lable: coin", "did you mean 'label'"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(config, capsys, old, new, message):
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert main(["answers", str(config)]) == 2
    assert message in capsys.readouterr().err


def test_a_figure_of_one_source_refuses_two():
    with pytest.raises(ValueError, match="not of 2"):
        answers_figure.source_figure([_answer(), _answer(source="t")])
    figure = answers_figure.source_figure(
        [_answer(), _answer(method="low", kind="lower", rate=0.4, distortion=0.6, exact_rate=0.4)]
    )
    labels = {t.get_text() for t in figure.axes[0].get_legend().get_texts()}
    assert {"exact R(D)", "m", "low"} <= labels


@pytest.mark.slow
def test_a_method_that_refuses_does_not_cost_the_others(config, tmp_path, capsys):
    config.write_text(config.read_text().replace("{name: exact}", "{name: wasserstein}"))
    assert main(["answers", str(config)]) == 2
    assert "coin: wasserstein-hybrid: wasserstein-hybrid needs squared" in capsys.readouterr().err
    kept = read_answers(tmp_path / "run" / "answers.csv")
    assert {a.method for a in kept} == {"blahut-arimoto", "shannon-lower", "neural-upper"}


def test_a_model_without_a_closed_divergence_trains_and_is_evaluated(tmp_path, capsys):
    path = tmp_path / "rich.yaml"
    path.write_text(f"""
output: {tmp_path / "rich"}
model:
  {{name: mlp, form: bound, lmbda: 2.0,
   options: {{dimension: 2, hidden: [], posterior: full, prior: flow}}}}
training:
  data: {{source: gaussian, variances: [1.0, 0.5], test_vectors: 500}}
  channel: {{name: sampled}}
  options: {{steps: 5, batch: 16, warmup: 1, log_every: 5, checkpoint_every: 5}}
""")
    assert main(["train", str(path)]) == 0
    assert "J on the exact R(D)" in capsys.readouterr().out
    # Through the wrong channel it is refused before anything is trained.
    assert main(["train", str(path), "training.channel.name=gaussian", "output=x"]) == 2
    assert "use the sampled channel" in capsys.readouterr().err
