"""A Gaussian posterior whose neighbours are correlated.

    sample_i = μ_i + σ_i·(ε_i + Σ_k c_ki·ε_{i−k}),  ε ~ N(0, I)

over a few fixed offsets k to places before i, row by row. So the sample is
μ + L·ε with L triangular and sparse, |det L| = ∏σ_i, and against a factorized Gaussian
prior the KL divergence has a closed form. For vectors of at most four elements the family
contains all Gaussians. With c = 0 the Gaussian is factorized.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rdbound.ops import gaussian
from rdbound.ops.distributions import Gaussian, draw_triangular

__all__ = ["CoupledGaussian", "couple", "coupled_with"]

_OFFSETS = {
    1: ((1,), (2,), (3,)),
    3: ((0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 1, 0), (1, 0, 0), (1, 1, 0)),
}


def coupled_with(dimensions: int) -> tuple[tuple[int, ...], ...]:
    """Return the offsets of an array [n] or [h, w, C].

    They are those to the three elements or channels before, and in [h, w, C] to the places left,
    above, and left above.

    Raises:
      ValueError: for another number of dimensions.
    """
    if dimensions not in _OFFSETS:
        raise ValueError(f"a coupled posterior is of [n] or [h, w, C], not of {dimensions} axes")
    return _OFFSETS[dimensions]


class CoupledGaussian(NamedTuple):
    """N(μ, L·Lᵀ), L as in the module's docstring.

    Attributes:
      mu: mean, of the latent's shape [n] or [h, w, C].
      log_sigma: log-scales, likewise; the scale is kept within e^±20.
      coupling: c, [K, *shape], one for each of :func:`coupled_with`; one that points outside the
        array counts as zero.
    """

    mu: jax.Array
    log_sigma: jax.Array
    coupling: jax.Array

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """Return a sample, and its log-density by elements of the noise."""

        def spread(sigma: jax.Array, noise: jax.Array) -> jax.Array:
            return sigma * (noise + sum(c * moved for c, moved in self._pairs(noise)))

        return draw_triangular(key, self.mu, self.log_sigma, spread)

    def bits_against(self, prior: Gaussian) -> Float[Array, "*shape"]:
        """Return KL(self ‖ prior) in bits, of the latent's shape; only the sum is a rate.

            Σ_i ln(σ̂_i/σ_i) + (v_i + (μ_i − μ̂_i)²) / (2σ̂_i²) − ½,  v_i = σ_i²·(1 + Σ_k c_ki²)

        since ln det(L·Lᵀ) = Σ_i ln σ_i² and the trace needs the marginal variances v alone.
        """
        inside = self._pairs(jnp.ones_like(self.mu))
        square = sum(c**2 * ones for c, ones in inside)
        ratio = gaussian.bounded(self.log_sigma) - gaussian.bounded(prior.log_sigma)
        plain = prior.kl_bits(Gaussian(self.mu, self.log_sigma))
        return plain + 0.5 * jnp.exp(2.0 * ratio) * square / gaussian.LN2

    def _pairs(self, values: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
        """Return each coupling with the values that it multiplies, zero outside the array."""
        offsets = coupled_with(self.mu.ndim)
        return [
            (c, _moved(values, offset)) for c, offset in zip(self.coupling, offsets, strict=True)
        ]


def _moved(values: jax.Array, offset: tuple[int, ...]) -> jax.Array:
    """Return the array whose element i is that of ``values`` at i − offset."""
    padded = jnp.pad(values, [(k, 0) for k in offset])
    return padded[tuple(slice(0, n) for n in values.shape)]


def couple(posterior: object) -> CoupledGaussian:
    """Return the same distribution with couplings of zero.

    Args:
      posterior: factorized Gaussian of [n] or [h, w, C].

    Raises:
      ValueError: if it is not Gaussian, as the variational parameters of a model whose posteriors
        depend on the state.
    """
    if not isinstance(posterior, Gaussian):
        raise ValueError(
            "the coupled posterior is for models whose variational parameters are their Gaussian "
            f"posteriors, not {type(posterior).__name__}"
        )
    count = len(coupled_with(posterior.mu.ndim))
    zeros = jnp.zeros((count, *posterior.mu.shape), posterior.mu.dtype)
    return CoupledGaussian(posterior.mu, posterior.log_sigma, zeros)
