"""Wasserstein gradient descent: R(D) with particles (Yang et al. 2023, arXiv 2310.18908).

The rate functional of a reproduction distribution ν at a slope −λ,

    J(ν) = −E log₂ ∫ 2^(−λ·n·d(X, y)) ν(dy)   bits per vector,

is minimized over ν = Σ w_j·δ(y_j): particles move against the gradient of its
first variation,

    ψ(y) = −E[ 2^(−λ·n·d(X, y)) / A(X) ],

and, in the hybrid method, Blahut–Arimoto moves their weights between steps.
J of any ν bounds J(λ) from above; on fresh samples it is an unbiased estimate
of such a bound. m particles convey at most log₂ m bits a vector
(:func:`particle_limit`); near that rate the bound is loose.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from rdbound.ops.distances import squared_distances
from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Source, check_memory
from rdbound.theory.base import Estimate, Estimator, Several, check_squared, solve_each
from rdbound.utils.registry import OPTIONS

__all__ = [
    "HeldOut",
    "Particles",
    "Wasserstein",
    "equal_weights",
    "functional",
    "held_out",
    "particle_limit",
]

MOST_DIMENSIONS = 16
CHUNK_VALUES = 2**22  # distances in memory at once

C = TypeVar("C")


class Particles(NamedTuple):
    """A discrete reproduction distribution.

    Attributes:
      y: the particles, [m, n].
      log_weight: natural logarithms of their weights, [m].
    """

    y: jax.Array
    log_weight: jax.Array


class HeldOut(NamedTuple):
    """Means over fresh samples, and their standard errors.

    Attributes:
      mean: R, D and J = R + λ·D per dimension, [3].
      error: the standard error of each, [3].
    """

    mean: np.ndarray
    error: np.ndarray

    def upper_bound(
        self,
        method: Estimator[C],
        source: Source,
        lmbda: float,
        seed: int,
        certificate: C,
        trace: np.ndarray,
        status: str,
    ) -> Estimate[C]:
        """Return the estimate of a method at λ: a point on or above R(D)."""
        (R, D, _), (R_error, D_error, J_error) = self.mean.tolist(), self.error.tolist()
        return Estimate(
            source=source,
            method=method,
            seed=seed,
            side="upper",
            lmbda=lmbda,
            rate=R,
            distortion=D,
            standard_error=J_error,
            rate_error=R_error,
            distortion_error=D_error,
            status=status,
            certificate=certificate,
            trace=trace,
        )


def equal_weights(count: int) -> jax.Array:
    """Return the log weights of ``count`` equally likely particles, [count]."""
    return jnp.full((count,), -jnp.log(count))


def particle_limit(particles: int, dimension: int) -> float:
    """Return the largest rate that a number of particles conveys, in bits per dimension."""
    return float(np.log2(particles)) / dimension


def _log_a(
    particles: Particles, x: jax.Array, slope: float | jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return ln A of each row of x [k, n], and its terms ln w − s·‖x − y‖², [k, m].

    ``slope`` is s = λ·ln 2: distances are sums over dimensions and λ is per dimension, and
    the n of the sum cancels that of the mean.
    """
    terms = particles.log_weight - slope * squared_distances(x, particles.y)
    return jax.nn.logsumexp(terms, axis=1), terms


def functional(
    y: jax.Array, log_weight: jax.Array, x: jax.Array, slope: float | jax.Array
) -> jax.Array:
    """Return J of particles in nats per vector, a scalar.

    Args:
      y: the particles, [m, n].
      log_weight: natural logarithms of their weights, [m].
      x: samples of the source, [k, n].
      slope: λ·ln 2, λ in bits per unit of distortion.
    """
    return -jnp.mean(_log_a(Particles(y, log_weight), x, slope)[0])


def held_out(particles: Particles, x: jax.Array, lmbda: float) -> HeldOut:
    """Return R, D and J on samples that the particles were not fitted to.

    The two are those of the channel π from a sample to the particles:

        R = E KL(π(·|X) ‖ w) with π(j|x) ∝ w_j·2^(−λ·n·d(x, y_j)), and D = E Σ π·d

    Args:
      particles: the reproduction distribution.
      x: samples of the source, [k, n].
      lmbda: λ, in bits per unit of distortion.
    """
    n = x.shape[1]
    chunk = max(1, CHUNK_VALUES // len(particles.y))
    slope = jnp.float32(lmbda * LN2)
    pieces = [_held_out(particles, x[i : i + chunk], slope) for i in range(0, len(x), chunk)]
    nats, distortion = np.concatenate([np.asarray(p, np.float64) for p in pieces], axis=1) / n
    R = nats / LN2
    values = np.stack([R, distortion, R + lmbda * distortion])
    return HeldOut(values.mean(1), values.std(1, ddof=1) / np.sqrt(values.shape[1]))


@jax.jit
def _held_out(particles: Particles, x: jax.Array, slope: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return (KL(π ‖ w) in nats, distortion) of each vector.

    Distances are taken relative to that of the nearest particle: in −ln A − s·D the rate would
    be the difference of two large numbers where all particles are far.
    """
    squared = squared_distances(x, particles.y)
    nearest = squared.min(1)
    further = squared - nearest[:, None]
    terms = particles.log_weight - slope * further
    log_a = jax.nn.logsumexp(terms, axis=1)
    mean = (jnp.exp(terms - log_a[:, None]) * further).sum(1)
    return -log_a - slope * mean, nearest + mean


@dataclass(frozen=True, config=OPTIONS)
class Wasserstein:
    """Wasserstein gradient descent and, with ``hybrid``, its mixture with Blahut–Arimoto.

    Attributes:
      particles: number of particles, m.
      samples: number of samples of the source that the particles are fitted to.
      steps: steps of descent by Adam on ψ, with a cosine decay.
      learning_rate: length of the first step, in standard deviations of the source.
      hybrid: whether the weights are updated too.
      batch: samples per step; all samples if it is not smaller.
      test: number of fresh samples for R, D and their standard errors.
    """

    particles: PositiveInt = 256
    samples: PositiveInt = 20_000
    steps: PositiveInt = 500
    learning_rate: PositiveFloat = 0.05
    hybrid: bool = True
    batch: PositiveInt = 2_000
    test: Several = 50_000

    @property
    def name(self) -> str:
        """Return ``wasserstein`` or ``wasserstein-hybrid``."""
        return "wasserstein-hybrid" if self.hybrid else "wasserstein"

    def solve(
        self, source: Source, lmbdas: Sequence[float], seed: int = 0
    ) -> list[Estimate[Particles]]:
        """Compute upper bounds; certificates are the particles after descent.

        Raises:
          ValueError: if a λ is not positive, the source has more than 16 dimensions or no squared
            error, or memory does not hold the particles or the samples.
        """
        self._check(source)
        return solve_each(source, lmbdas, lambda lmbda: self._estimate(source, lmbda, seed))

    def _check(self, source: Source) -> None:
        check_squared(source, self.name)
        if source.dimension > MOST_DIMENSIONS:
            raise ValueError(
                f"{self.name} serves at most {MOST_DIMENSIONS} dimensions, not "
                f"{source.dimension}: use neural-upper"
            )
        check_memory(4.0 * 4 * self.batch * self.particles, f"{self.particles} particles")
        most = max(self.samples, self.particles, self.test)
        check_memory(16.0 * most * source.dimension, f"{most} samples")

    def _estimate(self, source: Source, lmbda: float, seed: int) -> Estimate[Particles]:
        slope = jnp.float32(lmbda * LN2)
        fitted = source.sample(jax.random.key(seed), max(self.samples, self.particles))
        particles, nats = _descend(self, fitted, slope, jax.random.key(seed + 2**28))
        x = source.sample(jax.random.key(seed + 2**30), self.test)
        limit = particle_limit(self.particles, source.dimension)
        found = held_out(particles, x, lmbda)
        status = f"the rate is near the particles' limit, {limit:.3g}"
        return found.upper_bound(
            self,
            source,
            lmbda,
            seed,
            certificate=particles,
            trace=np.asarray(nats) / np.float32(LN2 * source.dimension),
            status=status if found.mean[0] >= 0.8 * limit else "",
        )


@partial(jax.jit, static_argnums=0)
def _descend(
    options: Wasserstein, x: jax.Array, slope: jax.Array, key: jax.Array
) -> tuple[Particles, jax.Array]:
    """Return the particles after descent, and J of each step's samples, [steps], nats a vector."""
    scale = jnp.sqrt(jnp.mean(jnp.var(x, axis=0)))
    schedule = optax.cosine_decay_schedule(options.learning_rate, options.steps, 0.01)
    optimizer = optax.adam(schedule, b1=0.9, b2=0.99)
    m = options.particles
    start = Particles(x[:m], equal_weights(m))
    whole = options.batch >= len(x)

    def step(carry, index):
        particles, opt_state = carry
        chosen = jax.random.randint(jax.random.fold_in(key, index), (options.batch,), 0, len(x))
        batch = x if whole else x[chosen]
        J, gradient = jax.value_and_grad(functional)(*particles, batch, slope)
        # The gradient in y_j carries w_j; the first variation's does not.
        gradient = gradient * jnp.exp(-particles.log_weight)[:, None] * scale
        updates, opt_state = optimizer.update(gradient, opt_state)
        moved = Particles(particles.y + scale * updates, particles.log_weight)
        if options.hybrid:
            moved = _with_blahut_weights(moved, batch, slope, 1.0 if whole else 0.1)
        return (moved, opt_state), J

    carry = (start, optimizer.init(start.y))
    (particles, _), trace = jax.lax.scan(step, carry, jnp.arange(options.steps))
    return particles, trace


def _with_blahut_weights(
    particles: Particles, x: jax.Array, slope: jax.Array, rate: float
) -> Particles:
    """Return the particles after Blahut's update of their weights on samples x [k, n].

    A stochastic update is damped by ``rate``, like a running mean. Weights are kept above a
    limit: a particle without weight could never return.
    """
    before = particles.log_weight
    log_a, terms = _log_a(particles, x, slope)
    log_weight = jax.nn.logsumexp(terms - log_a[:, None], axis=0) - jnp.log(len(x))
    log_weight = (1 - rate) * before + rate * log_weight
    log_weight = jnp.maximum(log_weight, -jnp.log(len(before)) - 7.0)
    return Particles(particles.y, jax.nn.log_softmax(log_weight))
