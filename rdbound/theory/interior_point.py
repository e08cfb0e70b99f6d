"""Blahut's convex problem, finished by a primal–dual interior point method.

Blahut's update converges like 1/t where R(D) is far from its Shannon lower
bound, so after some of them the same problem is finished by Newton steps (as
Koenker & Mizera 2014 do for the same likelihood of a mixture) on

    q ≥ 0,  z = 1 − c(q) ≥ 0,  q·z = μ → 0,

c and the certificate as in :mod:`rdbound.theory.blahut_arimoto`. Everything is
in float64, which the caller enables, with distortions taken relative to each
row's least, so that nothing overflows and no row vanishes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["solve_slopes"]

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
