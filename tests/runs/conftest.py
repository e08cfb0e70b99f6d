import pytest

from rdbound.runs.run_folder import open_run

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


def enter(config, inputs):
    """Open a run and leave it again; its folder."""
    with open_run(config, inputs) as folder:
        return folder
