from rdbound.cli import main


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
