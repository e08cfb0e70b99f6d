"""NERD: R(D) with a generator of reproductions (Lei, Hassani & Saeedi Bidokhti 2022).

The rate functional of :mod:`rdbound.theory.wasserstein` with ν the law of
G(Z), Z ~ N(0, I), and the inner integral replaced by a mean over k samples:

    J_k = −E log₂ (1/k)·Σ 2^(−λ·n·d(X, G(Z_j))).

By Jensen's inequality J_k ≥ J(ν) in expectation, so it stays an upper bound;
but a mean over k samples can hardly express a rate above log₂ k bits a vector
(each term is at most one), and the bound turns loose there.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from rdbound.models.vector_vae import Dense
from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Source, check_memory
from rdbound.theory.base import Estimate, Several, check_squared, clipped_adam, solve_each
from rdbound.theory.wasserstein import (
    HeldOut,
    Particles,
    equal_weights,
    functional,
    held_out,
    particle_limit,
)
from rdbound.utils.registry import OPTIONS

__all__ = ["NERD"]


@dataclass(frozen=True, config=OPTIONS)
class NERD:
    """NERD as an estimator.

    Attributes:
      latent: dimensions of Z; 0 for those of the source.
      hidden: widths of the generator's layers.
      samples: k, in training and in the final estimate, where they are fresh.
      steps: training steps.
      batch: samples of the source per step.
      learning_rate: learning rate of Adam, with a cosine decay.
      test: number of fresh samples for R, D and their standard errors.
      repeats: independent draws of the k samples that the estimate averages.
    """

    latent: NonNegativeInt = 0
    hidden: tuple[PositiveInt, ...] = (64, 64)
    samples: PositiveInt = 2_000
    steps: PositiveInt = 1_000
    batch: PositiveInt = 256
    learning_rate: PositiveFloat = 2e-3
    test: Several = 20_000
    repeats: Several = 10
    name = "nerd"

    def solve(
        self, source: Source, lmbdas: Sequence[float], seed: int = 0
    ) -> list[Estimate[Dense]]:
        """Compute upper bounds; certificates are the trained generators.

        Raises:
          ValueError: if a λ is not positive, the source has no squared error, or memory does not
            hold the distances of a step.
        """
        check_squared(source, self.name)
        check_memory(
            4.0 * 4 * self.batch * self.samples, f"{self.batch} × {self.samples} distances"
        )
        return solve_each(source, lmbdas, lambda lmbda: self._estimate(source, lmbda, seed))

    def _estimate(self, source: Source, lmbda: float, seed: int) -> Estimate[Dense]:
        n = source.dimension
        graphdef, params = nnx.split(Dense(self.latent or n, self.hidden, n, nnx.Rngs(seed)))
        key = jax.random.key(seed + 2**28)
        params, nats = _train(self, graphdef, source, params, lmbda * LN2, key)
        generate = partial(_generate, graphdef, params)
        parts = [
            self._held_out(generate, source, lmbda, key)
            for key in jax.random.split(jax.random.key(seed + 2**30), self.repeats)
        ]
        limit = particle_limit(self.samples, n)
        found = _pooled(parts)
        status = f"the rate is near log₂ k / n = {limit:.3g}"
        return found.upper_bound(
            self,
            source,
            lmbda,
            seed,
            certificate=nnx.merge(graphdef, params),
            trace=np.asarray(nats) / np.float32(LN2 * n),
            status=status if found.mean[0] >= 0.8 * limit else "",
        )

    def _held_out(self, generate: partial, source: Source, lmbda: float, key: jax.Array) -> HeldOut:
        """Return R, D and J of fresh reproductions on fresh samples."""
        y_key, x_key = jax.random.split(key)
        y = generate(y_key, self.samples, self.latent or source.dimension)
        x = source.sample(x_key, max(2, self.test // self.repeats))
        return held_out(Particles(y, equal_weights(self.samples)), x, lmbda)


def _pooled(parts: list[HeldOut]) -> HeldOut:
    """Return the mean of repeats, with the errors within them or those between them.

    The larger in J counts. Samples of X are fresh in each repeat, so the spread between repeats
    holds both noises.
    """
    means = np.stack([part.mean for part in parts])
    within = np.sqrt(np.mean([part.error**2 for part in parts], axis=0) / len(parts))
    between = means.std(0, ddof=1) / np.sqrt(len(parts))
    return HeldOut(means.mean(0), within if within[-1] >= between[-1] else between)


def _generate(
    graphdef: nnx.GraphDef, params: nnx.State, key: jax.Array, count: int, latent: int
) -> jax.Array:
    """Return G(Z) of ``count`` draws of Z, [count, n]."""
    generator = nnx.merge(graphdef, params)
    return jax.vmap(generator)(jax.random.normal(key, (count, latent)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _train(
    options: NERD,
    graphdef: nnx.GraphDef,
    source: Source,
    params: nnx.State,
    slope: jax.Array,
    key: jax.Array,
) -> tuple[nnx.State, jax.Array]:
    """Minimize J_k by Adam; return the weights and J_k of each step, [steps], nats a vector."""
    latent = options.latent or source.dimension
    optimizer = clipped_adam(options.learning_rate, options.steps)

    def loss(params, key):
        x_key, y_key = jax.random.split(key)
        x = source.sample(x_key, options.batch)
        y = _generate(graphdef, params, y_key, options.samples, latent)
        return functional(y, equal_weights(options.samples), x, slope)

    def step(carry, index):
        params, opt_state = carry
        J, gradient = jax.value_and_grad(loss)(params, jax.random.fold_in(key, index))
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), opt_state), J

    carry = (params, optimizer.init(params))
    (params, _), trace = jax.lax.scan(step, carry, jnp.arange(options.steps))
    return params, trace
