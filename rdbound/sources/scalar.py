"""Scalar sources: Laplacian with absolute error, and the uniform density."""

import jax
import numpy as np
from pydantic.dataclasses import dataclass

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, Scale, check_positive
from rdbound.utils.registry import OPTIONS

__all__ = ["Laplacian", "Uniform"]


@dataclass(frozen=True, config=OPTIONS)
class Laplacian:
    """Density exp(−|x|/b) / 2b with absolute error: R(D) = log₂(b/D) for D ≤ b.

    The Shannon lower bound is tight here (Berger 1971).

    Attributes:
      scale: b, positive.
    """

    scale: Scale = 1.0
    dimension = 1
    distortion = "absolute"

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, 1]."""
        return self.scale * jax.random.laplace(key, (count, 1))

    @property
    def entropy(self) -> float:
        """Return the differential entropy in bits."""
        return float(np.log2(2 * np.e * self.scale))

    def log2_density(self, x: np.ndarray) -> np.ndarray:
        """Return log₂ of the density at ``x`` [..., 1]."""
        return -np.abs(x[..., 0]) / self.scale / LN2 - np.log2(2 * self.scale)

    def exact(self, lmbda: float) -> Point:
        """Return (R, D) where R + λ·D is least, D = 1 / (λ·ln 2); raise ValueError unless λ > 0."""
        distortion = min(1.0 / (LN2 * check_positive(lmbda)), self.scale)
        return Point(float(np.log2(self.scale / distortion)), distortion)


@dataclass(frozen=True, config=OPTIONS)
class Uniform:
    """The uniform density on [−width/2, width/2] with squared error; R(D) has no closed form.

    Attributes:
      width: positive.
    """

    width: Scale = 1.0
    dimension = 1
    distortion = "squared"

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, 1]."""
        return self.width * (jax.random.uniform(key, (count, 1)) - 0.5)

    @property
    def support(self) -> list[tuple[float, float]]:
        """Return (low, high) of each dimension."""
        return [(-self.width / 2, self.width / 2)]

    @property
    def entropy(self) -> float:
        """Return the differential entropy in bits."""
        return float(np.log2(self.width))

    def log2_density(self, x: np.ndarray) -> np.ndarray:
        """Return log₂ of the density at ``x`` [..., 1]."""
        inside = np.abs(x[..., 0]) <= self.width / 2
        return np.where(inside, -np.log2(self.width), -np.inf)

    def exact(self, lmbda: float) -> Point | None:
        """Return None, since no closed form is known; raise ValueError unless λ > 0."""
        check_positive(lmbda)
        return None
