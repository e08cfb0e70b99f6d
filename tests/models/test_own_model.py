"""The model of the how-to guide, as it stands there, through every command."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import yaml
from PIL import Image

from rdbound.cli.main import main
from rdbound.tables.rd import read_table

GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "own_model.md").read_text()


def _block(language, holds):
    """The one block of the guide in a language that holds some text."""
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S) if holds in b]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the files of the guide, and photographs."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(_block("python", "class Blocks"))
    train = yaml.safe_load(_block("yaml", "output: runs/mine-bound"))
    train["training"]["options"] |= {"steps": 60, "learning_rate": 3e-3}  # as long as a test may
    Path("mine.yaml").write_text(yaml.safe_dump(train))
    gaps = yaml.safe_load(_block("yaml", "output: runs/mine-gaps"))
    gaps["evaluation"]["refinement"] = {"steps": 20, "check_every": 10}
    Path("mine-gaps.yaml").write_text(yaml.safe_dump(gaps))
    Path("photographs").mkdir()
    image = skimage.data.astronaut()
    for k in range(6):
        crop = image[70 * k : 70 * k + 72, 60 * k : 60 * k + 80]
        Image.fromarray(crop).save(f"photographs/{k}.png")
    Image.fromarray(image[100:165, 100:171]).save("photo.png")
    return tmp_path


@pytest.mark.slow
def test_the_model_of_the_readme_goes_through_every_command(here, capsys):
    for line in _block("sh", "check-model mine:Blocks").strip().splitlines():
        program, *argv = shlex.split(line)
        assert program == "rdbound"
        assert main(argv) == 0, capsys.readouterr().err
    rows = read_table(here / "runs" / "mine-gaps" / "rd.csv")
    J = {m: np.mean([r.J for r in rows if r.method == m]) for m in {r.method for r in rows}}
    assert J["bound-refined"] < J["bound"]
    assert J["codec-refined-ideal"] < J["codec-ideal"] < J["codec-coded"]
    assert "digitization" in (here / "runs" / "mine-gaps" / "gaps.csv").read_text()
    assert (
        main(
            [
                "decompress",
                "photo.rdb",
                "back.png",
                "--checkpoint",
                "runs/mine-codec",
                "--model",
                "mine:Blocks",
            ]
        )
        == 0
    )
    assert Image.open("back.png").size == (71, 65)
