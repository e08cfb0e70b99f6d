import shutil

import pytest

from rdbound.cli.main import main
from rdbound.sources.gaussian import GaussianSource
from rdbound.tables.rd import read_table


@pytest.mark.slow
def test_a_model_without_a_closed_divergence_trains_and_is_evaluated(tmp_path, capsys):
    path = tmp_path / "rich.yaml"
    path.write_text(f"""
output: {tmp_path / "rich"}
model:
  {{name: mlp, form: bound, lmbda: 2.0,
   options: {{dimension: 2, hidden: [], posterior: full, prior: flow}}}}
training:
  data: {{source: gaussian, options: {{variances: [1.0, 0.5]}}}}
  channel: {{name: sampled}}
  options: {{steps: 5, batch: 16, warmup: 1, log_every: 5, checkpoint_every: 5}}
""")
    assert main(["train", str(path)]) == 0
    assert "wrote" in capsys.readouterr().out
    assert not (tmp_path / "rich" / "rd.csv").exists(), "training ends in a checkpoint"
    path.with_name("evaluated.yaml").write_text(f"""
output: {tmp_path / "evaluated"}
evaluation:
  checkpoints: [{tmp_path / "rich"}]
  data: {{source: gaussian, options: {{variances: [1.0, 0.5]}}, vectors: 4000, blocks: 4}}
  lmbdas: null
  methods: [bound-sampled, floor]
""")
    assert main(["evaluate", str(path.with_name("evaluated.yaml"))]) == 0
    rows = read_table(tmp_path / "evaluated" / "rd.csv")
    assert {(r.method, r.image) for r in rows} == {
        (m, f"block-0{k}") for m in ("bound-sampled", "floor", "exact") for k in (1, 2, 3, 4)
    }
    exact = GaussianSource((1.0, 0.5)).exact(2.0)
    for row in rows:
        assert row.dataset == "gaussian"
        assert pytest.approx(row.bpp + 2.0 * row.mse, rel=1e-6) == row.J
        if row.method == "exact":
            assert pytest.approx(exact.J(2.0), rel=1e-9) == row.J
        elif row.method == "bound-sampled":
            assert exact.J(2.0) < row.J, "five steps of training are far from the bound"
    # Through the wrong channel it is refused before anything is trained.
    assert main(["train", str(path), "training.channel.name=gaussian", "output=x"]) == 2
    assert "use the sampled channel" in capsys.readouterr().err


def test_any_source_trains_and_the_blocks_of_a_codec_are_coded(tmp_path):
    """On the circle, whose R(D) nobody knows: rows without an exact one, real bytes a block."""
    (tmp_path / "train.yaml").write_text(f"""
output: {tmp_path / "codec"}
model: {{name: mlp, form: codec, lmbda: [1.0, 16.0], options: {{dimension: 2, hidden: [16]}}}}
training:
  data: {{source: circle, options: {{noise: 0.1}}}}
  channel: {{name: per-level, options: {{levels: [mixed]}}}}
  options: {{steps: 300, batch: 64, learning_rate: 1e-2, warmup: 10}}
""")
    assert main(["train", str(tmp_path / "train.yaml")]) == 0
    (tmp_path / "evaluate.yaml").write_text(f"""
output: {tmp_path / "out"}
evaluation:
  checkpoints: [{tmp_path / "codec"}]
  data: {{source: circle, options: {{noise: 0.1}}, vectors: 8000, blocks: 4}}
  lmbdas: [2.0, 8.0]
  keep_streams: true
""")
    assert main(["evaluate", str(tmp_path / "evaluate.yaml")]) == 0
    rows = read_table(tmp_path / "out" / "rd.csv")
    J = {(r.method, r.lmbda, r.image): r for r in rows}
    assert {r.method for r in rows} == {"codec-ideal", "codec-coded", "floor"}
    for (method, lmbda, image), row in J.items():
        if method != "codec-coded":
            continue
        file = tmp_path / "out" / "streams" / "codec" / f"{image}_{lmbda:g}_{method}.rdb"
        assert row.bits == 8 * file.stat().st_size == 8 * row.bytes
        ideal = J["codec-ideal", lmbda, image]
        assert row.mse == pytest.approx(ideal.mse, rel=1e-4)
        assert ideal.bits < row.bits < 1.02 * ideal.bits + 8 * 45


def test_a_run_that_goes_on_can_be_exported(tmp_path, capsys):
    """The averaged weights of the newest checkpoint, the same as a run that ends there leaves."""
    config = tmp_path / "run.yaml"
    config.write_text(f"""
output: {tmp_path / "run"}
model: {{name: mlp, form: bound, lmbda: 2.0, options: {{dimension: 2}}}}
training:
  data: {{source: gaussian, options: {{variances: [1.0, 0.5]}}}}
  channel: {{name: gaussian}}
  options: {{steps: 20, batch: 16, warmup: 1, checkpoint_every: 10}}
""")
    assert main(["train", str(config)]) == 0
    target = tmp_path / "out.safetensors"
    assert main(["export", str(tmp_path / "run"), str(target)]) == 0
    assert "averaged weights of step 20" in capsys.readouterr().out
    assert target.read_bytes() == (tmp_path / "run" / "model.safetensors").read_bytes()
    assert main(["export", str(tmp_path / "run"), str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["export", str(tmp_path), str(tmp_path / "x.safetensors")]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "20" / "state")
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "older.safetensors")]) == 0
    told = capsys.readouterr()
    assert "averaged weights of step 10" in told.out
    assert "checkpoints/20 is damaged" in told.err
    assert (tmp_path / "older.safetensors").read_bytes() != target.read_bytes()
