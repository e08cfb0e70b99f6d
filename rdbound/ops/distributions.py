"""The distributions a latent model speaks in: Gaussians and mixtures of them.

All are named tuples of arrays, therefore pytrees: they pass through ``jit``,
``vmap`` and optax as they are. What can be drawn from with its own log-density
is a posterior of the sampled channel (``draw``), what has a log-density a
prior of it (``log_density``); both are in nats, elementwise where the
distribution factorizes and a scalar of the whole latent where it does not.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from rdbound.ops import gaussian

__all__ = ["Draws", "FullGaussian", "Gaussian", "HasDensity", "JointMixture", "Mixture", "Prior"]


class Draws(Protocol):
    """A posterior that knows the density of what it draws."""

    def draw(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(sample, ln q(sample))."""
        ...


class HasDensity(Protocol):
    """A prior with a density."""

    def log_density(self, z: jax.Array) -> jax.Array:
        """Ln p(z)."""
        ...


class Gaussian(NamedTuple):
    """Elementwise N(mu, exp(log_sigma)²): a posterior, or a prior.

    ``mu`` and ``log_sigma`` have the shape of the latent.
    """

    mu: jax.Array
    log_sigma: jax.Array

    @property
    def centre(self) -> jax.Array:
        """What zero-centred quantization subtracts: the mean."""
        return self.mu

    def box_bits(self, y) -> jax.Array:
        """−log₂ of the mass of the unit box around ``y``, elementwise."""
        return -gaussian.box_log_mass(y - self.mu, self.log_sigma) / gaussian.LN2

    def kl_bits(self, posterior: "Gaussian") -> jax.Array:
        """KL(posterior ‖ self) in bits, elementwise."""
        return gaussian.kl_bits(posterior.mu, posterior.log_sigma, self.mu, self.log_sigma)

    def draw(self, key) -> tuple[jax.Array, jax.Array]:
        """(sample, ln of its density), elementwise."""
        noise = jax.random.normal(key, self.mu.shape, self.mu.dtype)
        sample = self.mu + jnp.exp(self.log_sigma) * noise
        return sample, gaussian.log_density(noise, 0.0, 0.0) - self.log_sigma

    def log_density(self, z) -> jax.Array:
        """Ln of the density, elementwise."""
        return gaussian.log_density(z, self.mu, self.log_sigma)


class Mixture(NamedTuple):
    """Elementwise mixture of K Gaussians, the learned density of a top-level latent.

    ``log_weight``, ``mu``, ``log_sigma`` are [..., K] over the latent's shape
    (weights normalized by the model); ``centre`` has the latent's shape.
    """

    log_weight: jax.Array
    mu: jax.Array
    log_sigma: jax.Array
    centre: jax.Array

    def box_bits(self, y) -> jax.Array:
        """−log₂ of the mass of the unit box around ``y``, elementwise."""
        mass = gaussian.box_log_mass(y[..., None] - self.mu, self.log_sigma)
        return -jax.nn.logsumexp(self.log_weight + mass, axis=-1) / gaussian.LN2

    def log_density(self, z) -> jax.Array:
        """Ln of the density, elementwise."""
        terms = gaussian.log_density(z[..., None], self.mu, self.log_sigma)
        return jax.nn.logsumexp(self.log_weight + terms, axis=-1)


class FullGaussian(NamedTuple):
    """N(mu, L·Lᵀ) of a vector, L = ``lower`` + diag(exp(log_diagonal)).

    ``mu`` and ``log_diagonal`` are [n]; ``lower`` [n, n] is used strictly
    below its diagonal.
    """

    mu: jax.Array
    log_diagonal: jax.Array
    lower: jax.Array

    def draw(self, key) -> tuple[jax.Array, jax.Array]:
        """(sample, ln of its density), the latter by coordinates of the noise: [n] each."""
        noise = jax.random.normal(key, self.mu.shape, self.mu.dtype)
        spread = jnp.exp(self.log_diagonal) * noise + jnp.tril(self.lower, -1) @ noise
        return self.mu + spread, gaussian.log_density(noise, 0.0, 0.0) - self.log_diagonal


class JointMixture(NamedTuple):
    """A mixture of K Gaussians of a whole vector, each with independent components.

    ``log_weight`` [K], normalized; ``mu`` and ``log_sigma`` [K, n].
    """

    log_weight: jax.Array
    mu: jax.Array
    log_sigma: jax.Array

    def log_density(self, z) -> jax.Array:
        """Ln of the density of the vector [n], a scalar."""
        terms = gaussian.log_density(z, self.mu, self.log_sigma).sum(-1)
        return jax.nn.logsumexp(self.log_weight + terms)


Prior = Gaussian | Mixture
