"""Percentile bootstrap over images."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["interval"]


def interval(
    values: ArrayLike, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % interval of the mean of ``values`` [n], resampling images with replacement.

    The percentile bootstrap (Efron 1979). None for fewer than two values:
    one image says nothing about the spread over images.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(resamples, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
