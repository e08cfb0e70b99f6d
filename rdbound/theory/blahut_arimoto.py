"""Blahut–Arimoto with a certificate: the exact R(D) of finite sources.

For a finite source p(x), distortions d(x, y) and a slope −λ,

    J(λ) = min over q of −Σ p(x)·log₂ A(x),  A(x) = Σ q(y)·2^(−λ·d(x, y))

(Blahut 1972). Any reproduction distribution q gives an upper and a lower bound,

    −Σ p·log₂ A − log₂ max c  ≤  J(λ)  ≤  −Σ p·log₂ A,   c(y) = Σ p(x)·2^(−λ·d(x, y)) / A(x),

so the certificate does not depend on how q is found. Blahut's update q(y) ← q(y)·c(y)
converges like 1/t where R(D) is far from its Shannon lower bound. After some updates the convex
problem is therefore finished by Newton steps of a primal–dual interior point method (as Koenker
& Mizera 2014 do for the same likelihood of a mixture) on

    q ≥ 0,  z = 1 − c(q) ≥ 0,  q·z = μ → 0.

The computation is in float64, with distortions relative to the least of each row, so that
nothing overflows and no row of the kernel vanishes.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
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

__all__ = ["BlahutArimoto", "Reproduction", "Solution", "blahut_arimoto"]

CHUNK_BYTES = 2**28  # of kernels in memory at once
UPDATES = 100  # of Blahut's, before the Newton steps


class Solution(NamedTuple):
    """Results of :func:`blahut_arimoto`, arrays over the slopes.

    Attributes:
      rate: R of the final channel in bits, [slopes].
      distortion: D of the final channel, [slopes].
      upper: upper bound on J(λ) in bits, [slopes].
      lower: lower bound on J(λ) in bits, [slopes].
      q: the reproduction distribution, [slopes, l].
      steps: Newton steps made, [slopes].
      trace: width of the certificate in bits after each Newton step, [slopes, steps];
        NaN after the last step.
    """

    rate: np.ndarray
    distortion: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    q: np.ndarray
    steps: np.ndarray
    trace: np.ndarray


def blahut_arimoto(
    probabilities: ArrayLike,
    matrix: ArrayLike,
    lmbdas: Sequence[float],
    tolerance: float = 1e-6,
    max_steps: int = 100,
) -> Solution:
    """Compute J(λ), R and D of a finite source with a certificate.

    Args:
      probabilities: p(x), [k].
      matrix: d(x, y) ≥ 0, [k, l].
      lmbdas: slopes λ, in bits per unit of distortion.
      tolerance: width ``upper − lower`` at which a slope is finished, in bits.
      max_steps: largest number of Newton steps.

    Returns:
      The solution; its bounds hold after any number of steps.

    Raises:
      ValueError: if the probabilities do not sum to one, the matrix has another number of rows,
        a λ is not positive, or the alphabet is too large for memory.
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
            _solve_slopes(p, matrix, jnp.asarray(lmbdas[i : i + chunk]), tolerance, max_steps)
            for i in range(0, len(lmbdas), chunk)
        ]
        return Solution(*(np.concatenate(leaf) for leaf in zip(*parts, strict=True)))


class Reproduction(NamedTuple):
    """The certificate of a slope: the reproduction distribution and its bounds on J.

    Attributes:
      q: probabilities of the reproductions, [l].
      lower: lower bound on J of the finite problem, in bits per vector.
      upper: upper bound on J of the finite problem, in bits per vector.
      grid: the grid of a continuous source, whose points are the reproductions; None for a
        finite source.
    """

    q: np.ndarray
    lower: float
    upper: float
    grid: Grid | None


@pydantic.dataclasses.dataclass(frozen=True, config=OPTIONS)
class BlahutArimoto:
    """Blahut–Arimoto as an estimator.

    A finite source is solved as it is. A continuous source of 1–3 dimensions is put on a grid;
    the result is then an upper bound on R(D), since the grid's channel is one from the cell of X
    and its distortion is that from X itself.

    Attributes:
      points: points of the grid in each dimension.
      extent: half the width of the grid, in standard deviations.
      tolerance: width of the certificate at which a slope is finished, in bits.
      max_steps: largest number of Newton steps.
      compare: whether a grid of half as many points per dimension is solved too; the status
        then reports by how much its J is higher.
    """

    points: PositiveInt = 400
    extent: PositiveFloat = 6.0
    tolerance: PositiveFloat = 1e-6
    max_steps: PositiveInt = 100
    compare: bool = True
    name = "blahut-arimoto"

    def solve(
        self, source: Source, lmbdas: Sequence[float], seed: int = 0
    ) -> list[Estimate[Reproduction]]:
        """Compute points of R(D), exact for finite sources and upper bounds for others.

        Nothing is random: the seed is only kept in the estimates.

        Raises:
          ValueError: if a λ is not positive, or the source has no density, more than three
            dimensions, or too large an alphabet for memory.
        """
        start = time.monotonic()
        estimates = self._solve(source, check_lmbdas(lmbdas), seed)
        # The slopes are solved together.
        share = (time.monotonic() - start) / len(estimates)
        return [replace(estimate, seconds=share) for estimate in estimates]

    def _solve(
        self, source: Source, lmbdas: list[float], seed: int
    ) -> list[Estimate[Reproduction]]:
        grid, costs = None, None
        if isinstance(source, Finite):
            solution = self._run(source.probabilities, source.matrix, lmbdas)
        else:
            grid = discretize(source, self.points, self.extent)
            solution = self._on_grid(grid, lmbdas)
            costs = self._costs(source, lmbdas, solution) if self.compare else None
        n = source.dimension
        estimates = []
        for i, lmbda in enumerate(lmbdas):
            lower, upper = float(solution.lower[i]), float(solution.upper[i])
            missed = 0.0 if grid is None else grid.missed(lmbda)
            statuses = [self._status(upper - lower)]
            if costs is not None:
                # On a fine grid at least the discretization error: three times it where the error
                # falls with the square of the spacing, equal to it where with the spacing.
                statuses.append(f"with half the points J is {costs[i]:.1e} bits higher")
            estimates.append(
                Estimate(
                    source=source,
                    method=self,
                    seed=seed,
                    side="exact" if grid is None else "upper",
                    lmbda=lmbda,
                    rate=float(solution.rate[i]) / n,
                    distortion=float(solution.distortion[i]) / n,
                    tolerance=max(0.0, upper - lower) / n + missed,
                    status="; ".join(filter(None, statuses)),
                    certificate=Reproduction(solution.q[i], lower, upper, grid),
                    trace=solution.trace[i][: solution.steps[i]].astype(np.float32),
                )
            )
        return estimates

    def _costs(self, source: Source, lmbdas: list[float], fine: Solution) -> np.ndarray | None:
        """Return the bits per dimension that halving the points adds; None if half is too few."""
        try:
            grid = discretize(source, self.points // 2, self.extent)
        except ValueError:
            return None
        halved = self._on_grid(grid, lmbdas)
        return (halved.upper - fine.upper) / source.dimension

    def _on_grid(self, grid: Grid, lmbdas: list[float]) -> Solution:
        """Solve for whole vectors: distortions are sums, and λ is the same as per dimension."""
        return self._run(grid.probabilities, grid.points.shape[1] * grid.matrix(), lmbdas)

    def _run(self, probabilities: np.ndarray, matrix: np.ndarray, lmbdas: list[float]) -> Solution:
        return blahut_arimoto(probabilities, matrix, lmbdas, self.tolerance, self.max_steps)

    def _status(self, width: float) -> str:
        if width <= self.tolerance:
            return ""
        return f"stopped after {self.max_steps} Newton steps with a certificate of {width:.2g} bits"


class _State(NamedTuple):
    """State of the interior point method.

    ``q`` > 0 is not normalized, ``z`` are its multipliers, ``best`` is the normalized q of the
    least ``gap``, and ``trace`` holds the gap after each step.
    """

    q: jax.Array
    z: jax.Array
    best: jax.Array
    gap: jax.Array
    steps: jax.Array
    trace: jax.Array


class _Problem(NamedTuple):
    """One slope: minimize −Σ p·ln(K·q) + Σ q over q ≥ 0, K = 2^(−λ·(d − least in row))."""

    p: jax.Array
    kernel: jax.Array

    def certificate(self, q: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return (−Σ p·log₂ A, log₂ max c, c) of a distribution."""
        a = jnp.maximum(self.kernel @ q, 1e-300)
        c = (self.p / a) @ self.kernel
        return -jnp.sum(self.p * jnp.log2(a)), jnp.log2(jnp.max(c)), c

    def update(self, q: jax.Array) -> jax.Array:
        """Return Blahut's update of q."""
        q = q * self.certificate(q)[2]
        return jnp.maximum(q / q.sum(), 1e-200)

    def newton(self, state: _State) -> _State:
        """Take one step towards q·z = μ, with μ a tenth of its present mean."""
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
            state.trace.at[state.steps].set(gap),
        )


def _longest(x: jax.Array, dx: jax.Array) -> jax.Array:
    """Return the longest step, at most one, that leaves ``x`` positive and off the boundary."""
    ratio = jnp.where(dx < 0, -x / jnp.where(dx < 0, dx, -1.0), jnp.inf)
    return jnp.minimum(1.0, 0.95 * ratio.min())


def _solve(
    p: jax.Array, matrix: jax.Array, lmbda: jax.Array, tolerance: jax.Array, max_steps: int
) -> tuple[jax.Array, ...]:
    """Return the fields of :class:`Solution` at one slope."""
    least = matrix.min(axis=1)
    problem = _Problem(p, jnp.exp2(-lmbda * (matrix - least[:, None])))
    columns = matrix.shape[1]
    q = jnp.full((columns,), 1.0 / columns)
    q = jax.lax.fori_loop(0, UPDATES, lambda _, q: problem.update(q), q)
    _, gap, _ = problem.certificate(q)
    # A uniform admixture keeps the first Newton step away from the boundary.
    inside = 0.9 * q + 0.1 / columns
    trace = jnp.full((max(1, max_steps),), jnp.nan)  # arrays of size 0 have no index
    start = _State(inside, 0.1 / columns / inside, q, gap, jnp.asarray(0), trace)

    def unfinished(state: _State) -> jax.Array:
        return (state.gap > tolerance) & (state.steps < max_steps)

    last = jax.lax.while_loop(unfinished, problem.newton, start)
    J, gap, _ = problem.certificate(last.best)
    weights = problem.kernel * last.best
    distortion = p @ ((weights * matrix).sum(1) / weights.sum(1))
    upper = J + lmbda * jnp.sum(p * least)
    rate = upper - lmbda * distortion
    return rate, distortion, upper, upper - gap, last.best, last.steps, last.trace


_solve_slopes = jax.jit(jax.vmap(_solve, (None, None, 0, None, None)), static_argnums=4)
"""Solve a problem at slopes [slopes]; every result has the slopes as its leading axis."""
