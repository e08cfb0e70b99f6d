import numpy as np

from rdbound.analysis.bootstrap import interval


def test_the_bootstrap_covers_the_mean(rng):
    """95 % intervals of normal samples cover the truth about that often (n = 24)."""
    covered = 0
    for seed in range(300):
        values = np.random.default_rng(seed).normal(1.0, 2.0, 24)
        low, high = interval(values, resamples=1000)
        covered += low < 1.0 < high
    # The percentile bootstrap undercovers a little: 93.5 % expected at n = 24.
    assert 0.90 < covered / 300 < 0.97
    assert interval([3.0]) is None
