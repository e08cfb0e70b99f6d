import json
import platform
from importlib import metadata
from pathlib import Path

import pytest

from rdbound.config import load_config, to_yaml
from rdbound.runs import run_folder
from rdbound.runs.run_folder import finish, finished, provenance
from tests.runs.conftest import enter

INPUTS = {"training.data": "abc"}


@pytest.fixture
def settings(config):
    return lambda *overrides: load_config(config, overrides)


def _contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_new_run_writes_its_configuration_inputs_and_start(settings, tmp_path):
    chosen = settings("seed=7", f"output={tmp_path}/deep/er")
    folder = enter(chosen, INPUTS)
    assert folder == tmp_path / "deep" / "er"
    assert set(_contents(folder)) == {".lock", "config.yaml", "inputs.json", "provenance.json"}
    assert (folder / "config.yaml").read_text() == to_yaml(chosen)
    assert load_config(folder / "config.yaml", ()) == chosen, "it can be run again"
    assert json.loads((folder / "inputs.json").read_text()) == INPUTS
    (start,) = json.loads((folder / "provenance.json").read_text())
    assert start == provenance() | {"seed": 7}


def test_provenance_is_of_this_process():
    found = provenance()
    assert set(found) == {"versions", "python", "platform", "devices", "git_commit"}
    for package in ("rdbound", "jax", "jaxlib", "flax", "optax", "numpy", "constriction"):
        assert found["versions"].pop(package) == metadata.version(package)
    assert not found["versions"]
    assert (found["python"], found["platform"]) == (platform.python_version(), platform.platform())
    assert len(found["devices"]) >= 1
    assert json.loads(json.dumps(found)) == found


def test_outside_of_a_checkout_there_is_no_commit(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "folder" / "runs.py"))
    assert provenance()["git_commit"] is None
    monkeypatch.setenv("PATH", "")
    assert provenance()["git_commit"] is None, "without git"


def test_every_start_is_appended(settings, monkeypatch):
    folder = enter(settings(), INPUTS)
    monkeypatch.setattr(run_folder, "_commit", lambda: "f" * 40)
    enter(settings(), INPUTS)
    enter(settings(), INPUTS)
    starts = json.loads((folder / "provenance.json").read_text())
    assert len(starts) == 3
    assert [start["git_commit"] == "f" * 40 for start in starts] == [False, True, True]


def test_a_finished_run_says_so_and_is_not_started_again(settings):
    folder = enter(settings(), INPUTS)
    assert not finished(folder)
    finish(folder, {"steps": 3, "best": 0.5})
    assert finished(folder)
    assert json.loads((folder / "finished.json").read_text()) == {"steps": 3, "best": 0.5}
    before = _contents(folder)
    assert enter(settings(), INPUTS) == folder
    assert _contents(folder) == before


def test_what_a_stage_has_written_stays(settings):
    folder = enter(settings(), INPUTS)
    (folder / "metrics.jsonl").write_text("mine\n")
    enter(settings(), INPUTS)
    assert (folder / "metrics.jsonl").read_text() == "mine\n"


def test_an_empty_folder_is_taken(settings):
    Path(settings().output).mkdir()
    assert enter(settings(), {}) == Path(settings().output)


def test_a_folder_of_somebody_else_is_refused_and_left_alone(settings):
    folder = Path(settings().output)
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"run is not empty and not a run of rdbound"):
        enter(settings(), INPUTS)
    assert _contents(folder) == {"thesis.tex": b"years of work"}


def test_a_file_is_refused(settings):
    Path(settings().output).write_text("a file")
    with pytest.raises(ValueError, match=r"run is a file; give another output=FOLDER"):
        enter(settings(), INPUTS)
    assert Path(settings().output).read_text() == "a file"


@pytest.mark.parametrize(
    ("now", "named"),
    [
        ({"training.data": "abd", "model.start_from": "x"}, r"training\.data;"),
        ({"training.data": "abc"}, r"model\.start_from;"),
        ({"training.data": "abc", "model.start_from": "x", "more": "y"}, r"more;"),
        ({"training.data": "q", "model.start_from": "q"}, r"model\.start_from, training\.data;"),
    ],
)
def test_other_inputs_are_refused_by_name_and_nothing_is_overwritten(settings, now, named):
    folder = enter(settings(), {"training.data": "abc", "model.start_from": "x"})
    before = _contents(folder)
    with pytest.raises(ValueError, match=rf"begun with other contents of {named}"):
        enter(settings(), now)
    assert _contents(folder) == before


def test_another_configuration_is_refused_and_nothing_is_overwritten(settings):
    folder = enter(settings(), INPUTS)
    before = _contents(folder)
    with pytest.raises(ValueError, match=r"holds a run of another configuration"):
        enter(settings("seed=1"), INPUTS)
    assert _contents(folder) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "\0\0\0"])
@pytest.mark.parametrize("name", ["finished.json", "inputs.json"])
def test_a_damaged_file_names_itself_and_nothing_is_overwritten(settings, name, text):
    folder = enter(settings(), INPUTS)
    (folder / name).write_text(text)
    before = _contents(folder)
    with pytest.raises(ValueError, match=rf"run/{name} is damaged: .*; mend it or move it away"):
        enter(settings(), INPUTS)
    assert _contents(folder) == before
    if name == "finished.json":
        with pytest.raises(ValueError, match="is damaged"):
            finished(folder)


def test_damaged_provenance_names_itself(settings):
    folder = enter(settings(), INPUTS)
    (folder / "provenance.json").write_text('{"versions": {}')
    with pytest.raises(ValueError, match=r"provenance\.json is damaged: not JSON"):
        enter(settings(), INPUTS)


@pytest.mark.parametrize("text", ["", "- a list", "output: [", "\0"])
def test_a_damaged_configuration_names_itself(settings, text):
    folder = enter(settings(), INPUTS)
    (folder / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"config\.yaml: (not valid YAML|expected a mapping)"):
        enter(settings(), INPUTS)
    assert (folder / "config.yaml").read_text() == text


def test_two_are_not_in_one_run(settings):
    with run_folder.open_run(settings(), INPUTS) as folder:
        before = _contents(folder)
        with pytest.raises(ValueError, match=r"run is in use by process \d+ on"):
            enter(settings(), INPUTS)
        assert _contents(folder) == before
    enter(settings(), INPUTS)


def test_a_folder_that_a_kill_left_without_a_configuration_is_taken(settings):
    folder = Path(settings().output)
    folder.mkdir()
    for name in (".lock", "config.yaml.part"):
        (folder / name).write_text("left")
    assert enter(settings(), INPUTS) == folder
    assert load_config(folder / "config.yaml") == settings()
