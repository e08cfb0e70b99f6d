"""The distributions a latent model speaks in: Gaussians and mixtures of them.

Both are named tuples of arrays, therefore pytrees: they pass through ``jit``,
``vmap`` and optax as they are.
"""

from typing import NamedTuple

import jax

from rdbound.ops import gaussian

__all__ = ["Gaussian", "Mixture", "Prior"]


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


Prior = Gaussian | Mixture
