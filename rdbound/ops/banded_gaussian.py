"""A Gaussian posterior whose neighbours are correlated: what the factorized one cannot say.

    sample_i = μ_i + σ_i·(ε_i + Σ_k c_ki·ε_{i−k}),  ε ~ N(0, I)

over a few fixed offsets k to places that come before i, row by row. So the sample is
μ + L·ε with L triangular and sparse, |det L| = ∏σ_i, and against a factorized Gaussian
prior the divergence stays in closed form. Of a vector of four elements it is every
Gaussian there is. With c = 0 it is the factorized one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rdbound.ops import gaussian
from rdbound.ops.distributions import Gaussian, draw_triangular

__all__ = ["CoupledGaussian", "couple", "coupled_with"]

_OFFSETS = {
    1: ((1,), (2,), (3,)),
    3: ((0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 1, 0), (1, 0, 0), (1, 1, 0)),
}


def coupled_with(dimensions: int) -> tuple[tuple[int, ...], ...]:
    """The offsets of an array: three channels before, and of a place [h, w, C] the one to
    the left, the one above and the one diagonal to it.

    Raises ValueError for arrays that are neither [n] nor [h, w, C].
    """
    if dimensions not in _OFFSETS:
        raise ValueError(f"a coupled posterior is of [n] or [h, w, C], not of {dimensions} axes")
    return _OFFSETS[dimensions]


class CoupledGaussian(NamedTuple):
    """N(μ, L·Lᵀ), L as in the module's head.

    ``mu`` and ``log_sigma`` have the shape of the latent, [n] or [h, w, C]; the scale is kept
    within e^±20. ``coupling`` is [K, *shape], one for each of :func:`coupled_with`; what
    points outside the array counts as zero.
    """

    mu: jax.Array
    log_sigma: jax.Array
    coupling: jax.Array

    def draw(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(sample, ln of its density), the latter by elements of the noise."""

        def spread(sigma: jax.Array, noise: jax.Array) -> jax.Array:
            return sigma * (noise + sum(c * moved for c, moved in self._pairs(noise)))

        return draw_triangular(key, self.mu, self.log_sigma, spread)

    def bits_against(self, prior: Gaussian) -> jax.Array:
        """KL(self ‖ prior) in bits; of the latent's shape, and only the sum is a rate.

            Σ_i ln(σ̂_i/σ_i) + (v_i + (μ_i − μ̂_i)²) / (2σ̂_i²) − ½,  v_i = σ_i²·(1 + Σ_k c_ki²)

        since ln det(L·Lᵀ) = Σ_i ln σ_i² and the trace needs the marginal variances v alone.
        """
        inside = self._pairs(jnp.ones_like(self.mu))
        square = sum(c**2 * ones for c, ones in inside)
        ratio = gaussian.bounded(self.log_sigma) - gaussian.bounded(prior.log_sigma)
        plain = prior.kl_bits(Gaussian(self.mu, self.log_sigma))
        return plain + 0.5 * jnp.exp(2.0 * ratio) * square / gaussian.LN2

    def _pairs(self, values: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
        """Each coupling with the values that it reaches; zero where that is outside."""
        offsets = coupled_with(self.mu.ndim)
        return [
            (c, _moved(values, offset)) for c, offset in zip(self.coupling, offsets, strict=True)
        ]


def _moved(values: jax.Array, offset: tuple[int, ...]) -> jax.Array:
    """The array whose element i is that of ``values`` at i − offset."""
    padded = jnp.pad(values, [(k, 0) for k in offset])
    return padded[tuple(slice(0, n) for n in values.shape)]


def couple(posterior: Gaussian) -> CoupledGaussian:
    """The same distribution, with couplings that are still zero.

    Args:
      posterior: a factorized Gaussian of [n] or [h, w, C], on whatever leading axes the
        caller maps over.

    Raises ValueError for anything else: the variational parameters of a model whose posteriors
    depend on the state is not a Gaussian of its own.
    """
    if not isinstance(posterior, Gaussian):
        raise ValueError(
            "the coupled posterior is for models whose variational parameters are their Gaussian "
            f"posteriors, not {type(posterior).__name__}"
        )
    count = len(coupled_with(posterior.mu.ndim))
    zeros = jnp.zeros((count, *posterior.mu.shape), posterior.mu.dtype)
    return CoupledGaussian(posterior.mu, posterior.log_sigma, zeros)
