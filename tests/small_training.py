"""The config of a training that takes a second: a model of vectors of a known source."""


def small_training(output, options="", hidden="[]", more=""):
    """YAML; ``options`` of training, flow style, and ``more`` lines at the end."""
    return f"""
output: {output}
model: {{name: mlp, form: bound, lmbda: 1.0, options: {{dimension: 2, hidden: {hidden}}}}}
training:
  data: {{source: gaussian, options: {{variances: [1.0, 0.5]}}}}
  channel: {{name: gaussian}}
  options: {{{options}}}
{more}
"""
