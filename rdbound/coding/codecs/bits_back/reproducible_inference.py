"""Variational inference of a latent from the integers of the next: the same on both sides.

    Q(z | ŷ) = argmin E_q [log₂ q(z) − log₂ p(z) − log₂ P(ŷ | z)]

over Gaussians, for lossy bits-back (Yang, Bamler & Mandt 2020, algorithm 1,
``reproducible_BBVI``): it depends on ŷ alone. It starts from the posterior that the model infers
from its own reconstruction of ŷ; the noise comes from a constant key of a generator that does not
change (:mod:`rdbound.coding.entropy.shared_randomness`).
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from rdbound.channels.combinators import anchored
from rdbound.coding.entropy.shared_randomness import PER_WORD, level_key, shared_normals
from rdbound.models.base import level_model
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2, bounded
from rdbound.utils.compilation import compiled_call

__all__ = ["inferred"]

RATE = 0.02  # of Adam; falls to zero along a cosine


def inferred(
    model: Any, y: Any, z_shape: tuple[int, ...], lmbda: jax.Array | float, steps: int
) -> Gaussian:
    """Return Q(z | ŷ), float32 NumPy arrays of ``z_shape``.

    Args:
      model: a model with two levels, z and then y; its priors have densities and unit bins.
      y: ŷ, integers as float32.
      z_shape: shape of z.
      lmbda: λ.
      steps: optimization steps; 0 returns the output of the inference network.
    """
    graphdef, params = nnx.split(model)
    program = _Inference(graphdef, tuple(z_shape), steps)
    found = compiled_call(program, params, jnp.asarray(y), jnp.float32(lmbda))
    return jax.tree.map(jax.device_get, found)


@dataclass(frozen=True)
class _Inference:
    """The inference as a function of weights, ŷ and λ; equal for all models built alike."""

    graphdef: nnx.GraphDef
    z_shape: tuple[int, ...]
    steps: int

    def __call__(self, params: Any, y: jax.Array, lmbda: jax.Array) -> Gaussian:
        with jax.default_matmul_precision("highest"):
            of = level_model(nnx.merge(self.graphdef, params))
            start = self._start(of, y, lmbda)
            return self._refined(of, start, y, lmbda) if self.steps else start

    def _start(self, of: Any, y: jax.Array, lmbda: jax.Array) -> Gaussian:
        """Return the posterior that the model infers from its reconstruction of ŷ."""
        state = of.absorb(0, of.start(lmbda), jnp.zeros(self.z_shape))
        x_hat = jnp.clip(of.synthesize(of.absorb(1, state, y)), 0.0, 1.0)
        posterior = of.posterior(0, of.start(lmbda), of.infer(x_hat, lmbda)[0])
        return Gaussian(*(jnp.broadcast_to(leaf, self.z_shape) for leaf in posterior))

    def _refined(self, of: Any, start: Gaussian, y: jax.Array, lmbda: jax.Array) -> Gaussian:
        before = of.start(lmbda)
        prior_of_z = of.prior(0, before)

        def bits(q, noise):
            z = q.mu + jnp.exp(bounded(q.log_sigma)) * noise
            log_q = q.log_density(z)
            prior_of_y = anchored(of.prior(1, of.absorb(0, before, z)))
            rate = jnp.sum(log_q - prior_of_z.log_density(z)) / LN2
            return rate + jnp.sum(prior_of_y.bin_bits(y))

        adam = optax.adam(optax.cosine_decay_schedule(RATE, self.steps))

        def step(carry, number):
            q, state = carry
            updates, state = adam.update(jax.grad(bits)(q, self._noise(number)), state)
            return (optax.apply_updates(q, updates), state), None

        numbers = jnp.arange(self.steps, dtype=jnp.uint32)
        (q, _), _ = jax.lax.scan(step, (start, adam.init(start)), numbers)
        return q

    def _noise(self, number: jax.Array) -> jax.Array:
        """Return standard normal noise of z's shape: one sample for each step."""
        count = math.prod(self.z_shape)
        size = -(-count // PER_WORD) * PER_WORD
        zero = jnp.zeros((), jnp.uint32)
        return shared_normals(level_key(0, 0), number, zero, zero, size)[:count].reshape(
            self.z_shape
        )
