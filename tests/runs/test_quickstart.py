import numpy as np
import pytest
from PIL import Image

from rdbound.cli.main import main
from rdbound.tables.rd import read_table


@pytest.mark.slow
def test_the_newcomers_run_ends_with_everything_it_promises(tmp_path, capsys):
    assert main(["quickstart", "--output", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    for promise in (
        "187×251",
        "asymptotic",
        "amortization",
        "output-rounding",
        "digitization",
        "modeling",
        "total",
        "bound-amortization",
    ):
        assert promise in out
    run = tmp_path / "run"
    for name in ("rd.csv", "gaps.csv", "report.md", "config.yaml", "rd_curve.pdf", "gaps.pdf"):
        assert (run / name).stat().st_size > 0
    assert np.asarray(Image.open(run / "gaps.png")).std() > 0
    assert len(list((run / "streams").rglob("*.rdb"))) == 3 * 3 * 2
    J = {(r.image, r.lmbda, r.method): r.J for r in read_table(run / "rd.csv")}
    for image, lmbda, method in J:
        if method == "codec-coded":
            assert J[image, lmbda, "bound-refined"] < J[image, lmbda, method]
