"""Gaussian vectors: the source whose R(D) everything is first held against."""

import jax
import numpy as np

__all__ = ["GaussianBatches", "rate_at_slope", "sample"]


def sample(key, variances, count: int) -> jax.Array:
    """``count`` independent vectors with independent components, [count, n]."""
    deviations = np.sqrt(np.asarray(variances, np.float32))
    return jax.random.normal(key, (count, len(deviations))) * deviations


def rate_at_slope(variances, lmbda: float) -> tuple[float, float]:
    """(R, D) per dimension on the exact R(D) where R + λ·D is least.

    Reverse water-filling (Cover & Thomas 2006, theorem 10.3.3): component i has
    distortion min(θ, σᵢ²) and rate ½·log₂(σᵢ²/Dᵢ); the slope −λ fixes the water
    level at θ = 1 / (2·ln 2·λ). Raises ValueError unless λ > 0.
    """
    if not lmbda > 0:
        raise ValueError(f"λ = {lmbda} must be positive")
    variances = np.asarray(variances, np.float64)
    distortion = np.minimum(1.0 / (2.0 * np.log(2.0) * lmbda), variances)
    return float(np.mean(0.5 * np.log2(variances / distortion))), float(distortion.mean())


class GaussianBatches:
    """An endless stream of training batches; its state is the number drawn."""

    def __init__(self, variances, batch: int, seed: int):
        self._drawn = 0
        self._key = jax.random.key(seed)
        self._draw = jax.jit(lambda key: sample(key, variances, batch))

    def __iter__(self):
        return self

    def __next__(self) -> jax.Array:
        self._drawn += 1
        return self._draw(jax.random.fold_in(self._key, self._drawn))

    def get_state(self) -> dict:
        """JSON, for a checkpoint."""
        return {"drawn": self._drawn}

    def set_state(self, state: dict) -> None:
        """Continue from :meth:`get_state`."""
        self._drawn = int(state["drawn"])
