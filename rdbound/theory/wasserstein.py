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
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from rdbound.ops.distances import squared_distances
from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Source, check_memory
from rdbound.theory.base import Estimate, Several, check_squared, each
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


class Particles(NamedTuple):
    """A discrete reproduction distribution: ``y`` [m, n] and ``log_weight`` [m]."""

    y: jax.Array
    log_weight: jax.Array


class HeldOut(NamedTuple):
    """R, D and J = R + λ·D per dimension, and the standard error of each, [3]."""

    mean: np.ndarray
    error: np.ndarray

    def upper(self, method: str, lmbda: float, status: str) -> Estimate:
        """As what a method reports at λ: a point on or above R(D)."""
        (R, D, _), (R_error, D_error, J_error) = self.mean.tolist(), self.error.tolist()
        return Estimate(
            method,
            "upper",
            lmbda,
            R,
            D,
            J_error,
            status=status,
            rate_error=R_error,
            distortion_error=D_error,
        )


def equal_weights(count: int) -> jax.Array:
    """Log weights of ``count`` particles, [count]."""
    return jnp.full((count,), -jnp.log(count))


def particle_limit(particles: int, dimension: int) -> float:
    """The most bits per dimension that so many particles convey."""
    return float(np.log2(particles)) / dimension


def _log_a(particles: Particles, x, slope):
    """Logarithms of A for each row of x [k, n], the terms ln w + ln kernel and distances, [k, m].

    ``slope`` is λ·ln 2: distances are sums over dimensions, λ per dimension,
    and the n of the sum cancels that of the mean.
    """
    squared = squared_distances(x, particles.y)
    terms = particles.log_weight - slope * squared
    return jax.nn.logsumexp(terms, axis=1), terms, squared


def functional(
    y: jax.Array, log_weight: jax.Array, x: jax.Array, slope: float | jax.Array
) -> jax.Array:
    """J of particles in nats a vector, a scalar.

    Args:
      y: the particles, [m, n].
      log_weight: natural logarithms of their weights, [m].
      x: samples of the source, [k, n].
      slope: λ·ln 2, λ in bits per unit of distortion.
    """
    return -jnp.mean(_log_a(Particles(y, log_weight), x, slope)[0])


def held_out(particles: Particles, x: jax.Array, lmbda: float) -> HeldOut:
    """R, D and J of samples the particles have not seen.

    R = E KL(π(·|X) ‖ w) with π(j|x) ∝ w_j·2^(−λ·n·d(x, y_j)), D = E Σ π·d.
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
def _held_out(particles: Particles, x, slope):
    """(KL(π ‖ w) in nats, distortion) of each vector.

    With distances less the nearest one's: in −ln A − s·D the rate would be the
    difference of two large numbers where all particles are far.
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
      particles: m.
      samples: of the source, what the particles are fitted to.
      steps: of descent, Adam's on ψ with a cosine.
      learning_rate: its first step, in standard deviations of the source.
      hybrid: update the weights too.
      batch: samples a step; all where it is not smaller.
      test: fresh samples that R, D and the standard error come from.
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
        """``wasserstein``, or ``wasserstein-hybrid``."""
        return "wasserstein-hybrid" if self.hybrid else "wasserstein"

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate]:
        """Upper bounds; raises ValueError above 16 dimensions or without squared error."""
        return each(source, lmbdas, lambda lmbda: self._estimate(source, lmbda, seed))

    def _estimate(self, source: Source, lmbda: float, seed: int) -> Estimate:
        particles = self.fit(source, lmbda, seed)
        x = source.sample(jax.random.key(seed + 2**30), self.test)
        limit = particle_limit(self.particles, source.dimension)
        found = held_out(particles, x, lmbda)
        status = f"the rate is near the particles' limit, {limit:.3g}"
        return found.upper(self.name, lmbda, status if found.mean[0] >= 0.8 * limit else "")

    def fit(self, source: Source, lmbda: float, seed: int = 0) -> Particles:
        """The particles after descent, and their weights.

        Raises ValueError above 16 dimensions, without squared error or samples, or for
        more particles or samples than memory holds.
        """
        check_squared(source, self.name)
        if source.dimension > MOST_DIMENSIONS:
            raise ValueError(
                f"{self.name} serves at most {MOST_DIMENSIONS} dimensions, not "
                f"{source.dimension}: use neural-upper"
            )
        check_memory(4.0 * 4 * self.batch * self.particles, f"{self.particles} particles")
        most = max(self.samples, self.particles, self.test)
        check_memory(16.0 * most * source.dimension, f"{most} samples")
        x = source.sample(jax.random.key(seed), max(self.samples, self.particles))
        return _descend(self, x, jnp.float32(lmbda * LN2), jax.random.key(seed + 2**28))


@partial(jax.jit, static_argnums=0)
def _descend(options: Wasserstein, x, slope, key) -> Particles:
    """The whole descent, in one loop."""
    scale = jnp.sqrt(jnp.mean(jnp.var(x, axis=0)))
    schedule = optax.cosine_decay_schedule(options.learning_rate, options.steps, 0.01)
    optimizer = optax.adam(schedule, b1=0.9, b2=0.99)
    m = options.particles
    start = Particles(x[:m], equal_weights(m))
    whole = options.batch >= len(x)

    def step(index, carry):
        particles, opt_state = carry
        chosen = jax.random.randint(jax.random.fold_in(key, index), (options.batch,), 0, len(x))
        batch = x if whole else x[chosen]
        gradient = jax.grad(functional)(particles.y, particles.log_weight, batch, slope)
        # The gradient in y_j carries w_j; the first variation's does not.
        gradient = gradient * jnp.exp(-particles.log_weight)[:, None] * scale
        updates, opt_state = optimizer.update(gradient, opt_state)
        y = particles.y + scale * updates
        log_weight = particles.log_weight
        if options.hybrid:
            log_a, terms, _ = _log_a(Particles(y, log_weight), batch, slope)
            log_weight = jax.nn.logsumexp(terms - log_a[:, None], axis=0) - jnp.log(len(batch))
            # A stochastic update is damped, as a running mean of Blahut's; a
            # particle that lost all weight could never return.
            rate = 1.0 if whole else 0.1
            log_weight = (1 - rate) * particles.log_weight + rate * log_weight
            log_weight = jnp.maximum(log_weight, -jnp.log(m) - 7.0)
            log_weight = jax.nn.log_softmax(log_weight)
        return Particles(y, log_weight), opt_state

    carry = (start, optimizer.init(start.y))
    return jax.lax.fori_loop(0, options.steps, step, carry)[0]
