"""The banana: two Gaussians bent into a curve by a map that preserves volume."""

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import FiniteFloat
from pydantic.dataclasses import dataclass

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, Scale, check_positive
from rdbound.utils.registry import OPTIONS

__all__ = ["Banana"]


@dataclass(frozen=True, config=OPTIONS)
class Banana:
    """(u, v + bend·u²), u ~ N(0, long²) and v ~ N(0, short²); squared error.

    After the two-dimensional source of Ballé et al. 2021 (arXiv 2007.03034),
    without its rotation. The shear has determinant one, so the entropy is that
    of the Gaussians; R(D) has no closed form.

    Attributes:
      long: standard deviation of u, positive.
      short: standard deviation of v, positive.
      bend: curvature, finite.
    """

    long: Scale = 3.0
    short: Scale = 0.5
    bend: FiniteFloat = 0.1
    dimension = 2
    distortion = "squared"

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, 2]."""
        normal = jax.random.normal(key, (count, 2))
        u = self.long * normal[:, 0]
        return jnp.stack([u, self.short * normal[:, 1] + self.bend * u**2], axis=1)

    @property
    def entropy(self) -> float:
        """Return the differential entropy of the pair in bits."""
        return float(np.log2(2 * np.pi * np.e * self.long * self.short))

    def log2_density(self, x: np.ndarray) -> np.ndarray:
        """Return log₂ of the density at ``x`` [..., 2]."""
        x = np.asarray(x)
        u = x[..., 0] / self.long
        v = (x[..., 1] - self.bend * x[..., 0] ** 2) / self.short
        return -(u**2 + v**2) / 2 / LN2 - np.log2(2 * np.pi * self.long * self.short)

    def exact(self, lmbda: float) -> Point | None:
        """Return None, since no closed form is known; raise ValueError unless λ > 0."""
        check_positive(lmbda)
        return None
