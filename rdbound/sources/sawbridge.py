"""The sawbridge: a process of one random jump (Wagner & Ballé 2021, arXiv 2011.05065)."""

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from scipy.optimize import minimize_scalar

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, check_positive
from rdbound.utils.registry import OPTIONS

__all__ = ["Sawbridge"]


@dataclass(frozen=True, config=OPTIONS)
class Sawbridge:
    """X(t) = t − 1{t ≥ U} on [0, 1], U uniform, at the middles of ``dimension`` cells.

    Linear transforms spend many coefficients on what is one random number: the
    example where learned nonlinear transforms are known to be optimal and
    linear ones far from it.

    Attributes:
      dimension: number of cells, at least 1.
    """

    dimension: PositiveInt = 1024
    distortion = "squared"

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, n]."""
        t = (jnp.arange(self.dimension) + 0.5) / self.dimension
        jump = jax.random.uniform(key, (count, 1))
        return t - (t >= jump)

    def exact(self, lmbda: float) -> Point | None:
        """Return None: only the one-shot optimum is known (:meth:`one_shot`).

        Raises:
          ValueError: unless λ > 0.
        """
        check_positive(lmbda)
        return None

    def one_shot(self, lmbda: float) -> Point:
        """Return (H, D) of the entropy-coded quantizer with the least H + λ·D.

        H in bits per *realization* and D the mean squared error over t, in the
        limit of many samples; λ is per realization too. The optimal quantizers
        partition the place of the jump into intervals (Wagner & Ballé
        2021); a cell of width p costs −p·log₂ p and distorts by p²/6, the
        variance of the jump inside it. Stationary partitions have M − 1 equal
        cells and one that is no wider.

        Raises:
          ValueError: unless λ > 0.
        """
        # M equal cells cost log₂ M and distort by 1/6M: the best M is about λ·ln 2/6.
        middle = int(check_positive(lmbda) * LN2 / 6)
        points = [Point(0.0, 1 / 6)]
        for cells in range(max(2, middle - 2), middle + 5):
            points.append(_best_partition(cells, lmbda))
        return min(points, key=lambda point: point.J(lmbda))


def _best_partition(cells: int, lmbda: float) -> Point:
    """Return the best point of ``cells`` − 1 cells of width p and one of the remaining width."""

    def point(p: float) -> Point:
        last = max(1.0 - (cells - 1) * p, 0.0)
        bits = -(cells - 1) * p * np.log2(p) - (last * np.log2(last) if last > 0 else 0.0)
        return Point(float(bits), float(((cells - 1) * p**2 + last**2) / 6))

    low, high = 1 / cells, 1 / (cells - 1)
    found = minimize_scalar(
        lambda p: point(p).J(lmbda), bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    )
    return min((point(found.x), point(low)), key=lambda candidate: candidate.J(lmbda))
