"""Blahut–Arimoto with a certificate: the exact R(D) of finite sources.

For a finite source p(x), distortions d(x, y) and a slope −λ,

    J(λ) = min over q of −Σ p(x)·log₂ A(x),  A(x) = Σ q(y)·2^(−λ·d(x, y))

(Blahut 1972). The update is q(y) ← q(y)·c(y), c(y) = Σ p(x)·2^(−λ·d(x, y)) / A(x),
and *any* q gives both an upper and a lower bound (Blahut 1972):

    −Σ p·log₂ A − log₂ max c  ≤  J(λ)  ≤  −Σ p·log₂ A.

Because the bounds hold for any q, what finds it does not matter for the
certificate: some of Blahut's updates, then :mod:`rdbound.theory.blahut_arimoto`.

Blahut's convex problem, finished by a primal–dual interior point method.

Blahut's update converges like 1/t where R(D) is far from its Shannon lower
bound, so after some of them the same problem is finished by Newton steps (as
Koenker & Mizera 2014 do for the same likelihood of a mixture) on

    q ≥ 0,  z = 1 − c(q) ≥ 0,  q·z = μ → 0,

c and the certificate as in :mod:`rdbound.theory.blahut_arimoto`. Everything is
in float64, which the caller enables, with distortions taken relative to each
row's least, so that nothing overflows and no row vanishes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pydantic
from numpy.typing import ArrayLike
from pydantic import PositiveFloat, PositiveInt

from rdbound.sources.base import Source, check_memory
from rdbound.sources.finite import Finite, check_probabilities
from rdbound.theory.base import Estimate, check_lmbdas
from rdbound.theory.discretization import Grid, discretize
from rdbound.utils.registry import OPTIONS

__all__ = ["BlahutArimoto", "Solution", "blahut_arimoto", "solve_slopes"]

CHUNK_BYTES = 2**28  # of kernels in memory at once


class Solution(NamedTuple):
    """Results of :func:`blahut_arimoto`, arrays over the slopes.

    ``rate`` in bits and ``distortion`` of the final channel; ``upper`` and
    ``lower``: the certificate on J(λ), in bits; ``q``: [slopes, l], the
    reproduction distribution; ``steps``: Newton steps made.
    """

    rate: np.ndarray
    distortion: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    q: np.ndarray
    steps: np.ndarray


def blahut_arimoto(
    probabilities: ArrayLike,
    matrix: ArrayLike,
    lmbdas: Sequence[float],
    tolerance: float = 1e-6,
    max_steps: int = 100,
) -> Solution:
    """J(λ), R and D of a finite source, to a certificate of ``tolerance`` bits.

    Args:
      probabilities: p(x), [k].
      matrix: d(x, y), [k, l], not negative.
      lmbdas: slopes, in bits per unit of distortion.
      tolerance: stop when ``upper − lower`` is below it, in bits.
      max_steps: Newton steps at most; the certificate says what was reached.

    Raises ValueError for probabilities that do not sum to one, a matrix of
    another height, λ ≤ 0, or an alphabet too large for memory.
    """
    p = check_probabilities(probabilities)
    matrix = np.asarray(matrix, np.float64)
    if matrix.ndim != 2 or len(matrix) != len(p) or matrix.shape[1] == 0:
        raise ValueError(
            f"the distortion matrix has the shape {matrix.shape}, expected ({len(p)}, any): "
            "a row for each probability"
        )
    lmbdas = check_lmbdas(lmbdas)
    # The distortions, the kernel, its scaled copy and the Newton matrix.
    largest = 8 * max(matrix.shape) * matrix.shape[1]
    check_memory(5 * largest, f"an alphabet of {matrix.shape[0]} × {matrix.shape[1]}")
    chunk = max(1, min(len(lmbdas), int(CHUNK_BYTES // largest)))
    with jax.enable_x64(True):
        parts = [
            solve_slopes(p, matrix, np.asarray(lmbdas[i : i + chunk]), tolerance, max_steps)
            for i in range(0, len(lmbdas), chunk)
        ]
        return Solution(*(np.concatenate([np.asarray(x) for x in leaf]) for leaf in zip(*parts)))  # noqa: B905


@pydantic.dataclasses.dataclass(frozen=True, config=OPTIONS)
class BlahutArimoto:
    """Blahut–Arimoto as a method.

    A finite source is solved as it is. A continuous one in 1–3 dimensions is
    put on a grid first: ``points`` a dimension, ``extent`` standard deviations
    to each side. The result is then an upper bound on R(D): it is a channel from
    the cell of X, and its distortion is that from X itself. With ``compare``, a
    grid of half as many points a dimension is solved too, and the status says
    how much more it costs.
    """

    points: PositiveInt = 400
    extent: PositiveFloat = 6.0
    tolerance: PositiveFloat = 1e-6
    max_steps: PositiveInt = 100
    compare: bool = True
    name = "blahut-arimoto"

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate]:
        """See :class:`rdbound.theory.base.Estimator`; raises ValueError above three dimensions."""
        start = time.monotonic()
        found = self._solve(source, check_lmbdas(lmbdas))
        # The slopes are solved together.
        share = (time.monotonic() - start) / len(found)
        return [replace(estimate, seconds=share) for estimate in found]

    def _solve(self, source: Source, lmbdas: list[float]) -> list[Estimate]:
        if isinstance(source, Finite):
            n, costs, missed = 1, None, [0.0] * len(lmbdas)
            found = self._run(source.probabilities, source.matrix, lmbdas)
        else:
            n, grid = source.dimension, discretize(source, self.points, self.extent)
            found = self._on_grid(grid, lmbdas)
            costs = self._costs(source, lmbdas, found) if self.compare else None
            missed = [grid.missed(lmbda) for lmbda in lmbdas]
        return [
            Estimate(
                self.name,
                "exact" if isinstance(source, Finite) else "upper",
                lmbda,
                float(found.rate[i]) / n,
                float(found.distortion[i]) / n,
                tolerance=max(0.0, float(found.upper[i] - found.lower[i])) / n + missed[i],
                status="; ".join(filter(None, (self._status(found, i), _grid_status(costs, i)))),
            )
            for i, lmbda in enumerate(lmbdas)
        ]

    def _costs(self, source: Source, lmbdas: list[float], found: Solution) -> np.ndarray | None:
        """Bits per dimension that halving the points adds; None where half is too few."""
        try:
            grid = discretize(source, self.points // 2, self.extent)
        except ValueError:
            return None
        halved = self._on_grid(grid, lmbdas)
        return (halved.upper - found.upper) / source.dimension

    def _on_grid(self, grid: Grid, lmbdas: list[float]) -> Solution:
        """Of whole vectors: λ is the same as per dimension, distortions are sums."""
        return self._run(grid.probabilities, grid.points.shape[1] * grid.matrix(), lmbdas)

    def _run(self, probabilities, matrix, lmbdas) -> Solution:
        return blahut_arimoto(probabilities, matrix, lmbdas, self.tolerance, self.max_steps)

    def _status(self, found: Solution, i: int) -> str:
        gap = float(found.upper[i] - found.lower[i])
        if gap <= self.tolerance:
            return ""
        return f"stopped after {self.max_steps} Newton steps with a certificate of {gap:.2g} bits"


def _grid_status(costs: np.ndarray | None, i: int) -> str:
    """What halving the points adds to J: no less than what the grid itself does, once it is fine.

    A third of it where the error falls with the square of the spacing, all of it
    where it falls with the spacing.
    """
    return "" if costs is None else f"with half the points J is {costs[i]:.1e} bits higher"


UPDATES = 100  # of Blahut's, before the Newton steps


class _State(NamedTuple):
    """``q`` > 0, not normalized; ``z``: its multipliers; ``best``: normalized, least gap."""

    q: jax.Array
    z: jax.Array
    best: jax.Array
    gap: jax.Array
    steps: jax.Array


@dataclass(frozen=True)
class _Problem:
    """One slope: minimize −Σ p·ln(K·q) + Σ q over q ≥ 0, K = 2^(−λ·(d − least in row))."""

    p: jax.Array
    kernel: jax.Array

    def certificate(self, q: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """(−Σ p·log₂ A, log₂ max c, c) of a distribution."""
        a = jnp.maximum(self.kernel @ q, 1e-300)
        c = (self.p / a) @ self.kernel
        return -jnp.sum(self.p * jnp.log2(a)), jnp.log2(jnp.max(c)), c

    def update(self, q: jax.Array) -> jax.Array:
        """Blahut's."""
        q = q * self.certificate(q)[2]
        return jnp.maximum(q / q.sum(), 1e-200)

    def newton(self, state: _State) -> _State:
        """One step towards q·z = μ, with μ a tenth of its present mean."""
        q, z = state.q, state.z
        mu = 0.1 * jnp.mean(q * z)
        a = self.kernel @ q
        gradient = 1.0 - (self.p / a) @ self.kernel
        scale = jnp.sqrt(q / z)
        rows = (jnp.sqrt(self.p) / a)[:, None] * self.kernel * scale
        matrix = rows.T @ rows + jnp.eye(len(q))
        factor = jax.scipy.linalg.cho_factor(matrix)
        dq = scale * jax.scipy.linalg.cho_solve(factor, scale * (mu / q - gradient))
        dz = mu / q - z - z / q * dq
        q, z = q + _longest(q, dq) * dq, z + _longest(z, dz) * dz
        normalized = q / q.sum()
        gap = self.certificate(normalized)[1]
        better = gap < state.gap
        return _State(
            q,
            z,
            jnp.where(better, normalized, state.best),
            jnp.where(better, gap, state.gap),
            state.steps + 1,
        )


def _longest(x, dx) -> jax.Array:
    """The longest step that leaves ``x`` positive, short of the boundary; at most one."""
    ratio = jnp.where(dx < 0, -x / jnp.where(dx < 0, dx, -1.0), jnp.inf)
    return jnp.minimum(1.0, 0.95 * ratio.min())


def _solve(p, matrix, lmbda, tolerance, max_steps) -> tuple:
    least = matrix.min(axis=1)
    problem = _Problem(p, jnp.exp2(-lmbda * (matrix - least[:, None])))
    columns = matrix.shape[1]
    q = jnp.full((columns,), 1.0 / columns)
    q = jax.lax.fori_loop(0, UPDATES, lambda _, q: problem.update(q), q)
    _, gap, _ = problem.certificate(q)
    # A uniform admixture keeps the first Newton step away from the boundary.
    inside = 0.9 * q + 0.1 / columns
    start = _State(inside, 0.1 / columns / inside, q, gap, jnp.asarray(0))

    def going(state: _State):
        return (state.gap > tolerance) & (state.steps < max_steps)

    last = jax.lax.while_loop(going, problem.newton, start)
    J, gap, _ = problem.certificate(last.best)
    weights = problem.kernel * last.best
    distortion = p @ ((weights * matrix).sum(1) / weights.sum(1))
    upper = J + lmbda * jnp.sum(p * least)
    return upper - lmbda * distortion, distortion, upper, upper - gap, last.best, last.steps


_solve_all = jax.jit(jax.vmap(_solve, (None, None, 0, None, None)))


def solve_slopes(
    p: np.ndarray, matrix: np.ndarray, lmbdas: np.ndarray, tolerance: float, max_steps: int
) -> tuple[jax.Array, ...]:
    """(R, D, upper and lower bound on J, q, Newton steps), all but q [slopes], q [slopes, l].

    Args:
      p: probabilities of the source, [k].
      matrix: distortions, [k, l].
      lmbdas: slopes in bits per unit of distortion, [slopes].
      tolerance: between the bounds, in bits, at which a slope is finished.
      max_steps: Newton steps at most.
    """
    return _solve_all(p, matrix, jnp.asarray(lmbdas), tolerance, max_steps)
