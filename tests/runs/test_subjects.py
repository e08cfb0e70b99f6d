"""Several checkpoints as one model: which are taken, and which λ each serves."""

from dataclasses import replace

import pytest

from rdbound.analysis.curves import from_rows
from rdbound.checkpoints.checkpoint import load, save_checkpoint
from rdbound.config.schema import CheckpointConfig, Config
from rdbound.evaluation.examples import VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.models import make_model
from rdbound.runs.evaluate import PartialTable, evaluate_plans, resolved
from rdbound.runs.inputs import open_subject, plans_of
from rdbound.sources.gaussian import GaussianSource


def _save(path, lmbda, form="bound", seed=0, **spec):
    options = {"dimension": 2, "hidden": [], "seed": seed}
    arguments = {"name": "mlp", "form": form, "lmbda": lmbda, **options}
    return save_checkpoint(path, make_model(**arguments), arguments | spec)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A sweep, one of two seeds, one that is not finished, and what is no one model."""
    root = tmp_path_factory.mktemp("runs")
    for lmbda in (4.0, 1.0, 2.0):
        _save(root / "bound" / f"lmbda={lmbda}" / "model.safetensors", lmbda)
    (root / "bound" / "sweep.csv").write_text("a table beside the cells")
    (root / "bound" / "figures").mkdir()
    for seed in (0, 1):
        for lmbda in (1.0, 2.0):
            path = root / "seeds" / f"lmbda={lmbda},seed={seed}" / "model.safetensors"
            _save(path, lmbda, seed=seed)
    _save(root / "half" / "a" / "model.safetensors", 1.0)
    (root / "half" / "b").mkdir()
    (root / "half" / "b" / "metrics.jsonl").touch()
    _save(root / "files" / "one.safetensors", 1.0)
    _save(root / "files" / "two.safetensors", [2.0, 8.0])
    _save(root / "mixed" / "a" / "model.safetensors", 1.0)
    _save(root / "mixed" / "b" / "model.safetensors", 2.0, "codec")
    _save(root / "measures" / "a" / "model.safetensors", 1.0)
    _save(root / "measures" / "b" / "model.safetensors", 2.0, distortion={"name": "ms-ssim"})
    (root / "nothing").mkdir()
    return root


def _served(subject):
    return [(one.model.lmbda_range, lmbdas) for one, lmbdas in subject.parts]


def test_a_sweep_is_one_model_of_as_many_lmbdas_as_cells(root):
    subject = open_subject(str(root / "bound"), None, load)
    assert subject.name == "bound"
    assert _served(subject) == [((v, v), (v,)) for v in (1.0, 2.0, 4.0)]
    assert subject.lmbdas == (1.0, 2.0, 4.0)
    assert {one.name for one, _ in subject.parts} == {"bound"}
    digests = {f"bound λ={v}": load(root / "bound" / f"lmbda={v}").digest for v in (1.0, 2.0, 4.0)}
    assert subject.digests == digests


def test_some_of_its_lmbdas_are_those_that_are_asked_for(root):
    subject = open_subject(str(root / "bound"), [4.0, 1.0], load)
    assert _served(subject) == [((1.0, 1.0), (1.0,)), ((4.0, 4.0), (4.0,))]
    assert len(subject.digests) == 2


def test_a_name_may_be_given(root, monkeypatch):
    assert open_subject(
        CheckpointConfig(name="mine", path=str(root / "bound")), None, load
    ).name == ("mine")
    single = CheckpointConfig(name="one", path=str(root / "bound" / "lmbda=1.0"))
    subject = open_subject(single, None, load)
    assert (subject.name, subject.parts[0][0].name, list(subject.digests)) == (
        "one",
        "one",
        ["one"],
    )
    monkeypatch.chdir(root / "bound")
    assert open_subject(".", None, load).name == "bound"


@pytest.mark.parametrize(
    ("pattern", "name", "lmbdas"),
    [
        ("seeds/lmbda=*,seed=1", "seeds", (1.0, 2.0)),
        ("seeds/*seed=0", "seeds", (1.0, 2.0)),
        ("s*s/lmbda=1.0,seed=0", "ROOT", (1.0,)),
        ("half/[a]", "half", (1.0,)),
        ("files/o*.safetensors", "files", (1.0,)),
    ],
)
def test_a_pattern_chooses(root, pattern, name, lmbdas):
    subject = open_subject(f"{root}/{pattern}", None, load)
    assert (subject.name, subject.lmbdas) == (name.replace("ROOT", root.name), lmbdas)


def test_a_range_beside_a_fixed_rate_serves_its_share(root):
    subject = open_subject(f"{root}/files/*", [1.0, 3.0, 5.0], load)
    assert _served(subject) == [((1.0, 1.0), (1.0,)), ((2.0, 8.0), (3.0, 5.0))]


@pytest.mark.parametrize(
    ("entry", "lmbdas", "message"),
    [
        ("seeds", None, r"λ = 1 is served by lmbda=1.0,seed=0 and lmbda=1.0,seed=1; name one"),
        ("bound", [3.0], r"no checkpoint serves λ = 3; they serve 1, 2, 4"),
        ("bound", [1.0, 1.0], "holds a value twice"),
        ("half", None, r"the run in .*half/b is not finished"),
        ("half/b", None, r"no checkpoint .*half/b"),
        ("mixed", None, r"more than one family of priors \(bound, codec\)"),
        ("measures", None, r"more than one distortion"),
        ("nothing", None, "neither a run nor a folder or pattern of runs"),
        ("none*", None, "neither a run nor a folder or pattern of runs"),
        ("none", None, "no checkpoint"),
        ("files/*", None, r"two serves λ from 2 to 8, none of 0.0018, .*: give lmbdas"),
    ],
)
def test_what_is_no_one_model_is_refused(root, entry, lmbdas, message):
    with pytest.raises(ValueError, match=message):
        open_subject(f"{root}/{entry}", lmbdas, load)


def test_a_variable_rate_serves_the_usual_lmbdas_in_its_range(tmp_path):
    path = _save(tmp_path / "a.safetensors", [0.003, 0.02])
    assert open_subject(str(path), None, load).lmbdas == (0.0054, 0.0162)


def test_the_rows_of_a_sweep_are_those_of_its_cells_under_one_name(root, tmp_path):
    examples = VectorExamples("gaussian", GaussianSource((1.0, 0.5)), 800, 2, 0)
    options = EvaluationOptions(lmbdas=None, samples=2, batch=2, methods=("bound",))

    def rows(folder, lmbdas, *paths):
        folder.mkdir()
        subjects = [open_subject(str(path), lmbdas, load) for path in paths]
        with PartialTable(folder / "rd.partial.csv") as kept:
            return evaluate_plans(plans_of(subjects, examples, options), kept)

    cells = [root / "bound" / f"lmbda={v}" for v in (1.0, 4.0)]
    whole = rows(tmp_path / "a", [1.0, 4.0], root / "bound")
    apart = rows(tmp_path / "b", None, *cells)
    assert [(row.model, row.lmbda) for row in apart[:4:2]] == [
        ("lmbda=1.0", 1.0),
        ("lmbda=4.0", 4.0),
    ]
    assert whole == [replace(r, model="bound") for r in apart[:4]] + apart[4:]
    assert [row.model for row in whole[4:]] == 4 * ["exact"]
    curve = from_rows(whole)["gaussian", "bound", "bound"]
    assert {len(points.bpp) for points in curve.images.values()} == {2}


def _configured(**section):
    data = {"source": "gaussian", "options": {"variances": [1.0]}}
    return Config(output="x", evaluation={"checkpoints": ["a"], "data": data} | section)


def _resolved_lmbdas(config, *paths):
    subjects = [open_subject(str(path), config.evaluation.lmbdas, load) for path in paths]
    return resolved(config, subjects).evaluation.lmbdas


def test_the_lmbdas_of_a_variable_rate_are_written_out(root, tmp_path):
    """As they were when they were a default: a run of then is the run of now."""
    wide = _save(tmp_path / "wide.safetensors", [0.001, 0.1])
    narrow = _save(tmp_path / "narrow.safetensors", [0.003, 0.02])
    usual = (0.0018, 0.0054, 0.0162, 0.0483)
    assert _resolved_lmbdas(_configured(), wide) == usual
    assert _resolved_lmbdas(_configured(lmbdas=[0.01]), wide) == (0.01,)
    assert _resolved_lmbdas(_configured(), root / "bound") is None
    assert _resolved_lmbdas(_configured(), wide, narrow) is None


def test_a_name_in_the_zoo_goes_before_a_folder_of_runs(tmp_path, monkeypatch):
    (tmp_path / "res-hyper-4-bound").mkdir()
    monkeypatch.chdir(tmp_path)
    assert open_subject("res-hyper-4-bound", [0.01], load).lmbdas == (0.01,)
