"""The distributions of latents: Gaussians and mixtures of Gaussians.

A prior by which integers are coded has the centre that zero-centred quantization subtracts, the
probabilities of its unit bins, and the choice of its table of frequencies (:class:`Prior`): a new
family needs no change in the codec.

All are named tuples of arrays, therefore pytrees: they pass through ``jit``,
``vmap`` and optax as they are. A distribution with ``draw`` can be a posterior of
the sampled channel, one with ``log_density`` can be its prior; densities are in nats, elementwise
if the distribution factorizes, otherwise a scalar for the whole latent.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rdbound.ops import gaussian
from rdbound.ops.reproducible import portable_ndtr

__all__ = [
    "Anchored",
    "ChannelMass",
    "Draws",
    "FullGaussian",
    "Gaussian",
    "HasDensity",
    "JointMixture",
    "Lookup",
    "Mixture",
    "Prior",
    "StandardMass",
    "bin_probability",
    "draw_triangular",
    "mixture_mass",
]


_Array: TypeAlias = jax.Array | np.ndarray

StandardMass: TypeAlias = Callable[[np.ndarray, float], np.ndarray]
"""(r, sigma) → probabilities of the unit bins at r of the centred member of scale sigma."""

ChannelMass: TypeAlias = tuple[Callable[[np.ndarray], np.ndarray], int]
"""(r → probabilities of the unit bins at r, the magnitude up to which a table should go)."""


class Lookup(NamedTuple):
    """The choice of a table for each symbol.

    Attributes:
      family: name of the prior's family: with the level, the key of its tables in the checkpoint.
      place: array of the latent's shape; log-scales if ``scaled``, otherwise indexes of the
        level's own tables.
      scaled: whether the tables are those of a family of scales, shared by all levels.
    """

    family: str
    place: np.ndarray
    scaled: bool


class Prior(Protocol):
    """A prior by which integers are coded.

    The coded integer is round(y − centre); its probability is that
    of the unit bin around it. Floats may only *choose* a table of integer
    frequencies, since encoder and decoder may differ in their last digits.

    A family of scales also has ``standard_mass`` (:data:`StandardMass`), from which its tables are
    computed; any other has ``channel_mass()``, a list of one :data:`ChannelMass` for each channel.
    """

    @property
    def centre(self) -> _Array:
        """The value that zero-centred quantization subtracts."""
        ...

    def bin_bits(self, y: _Array) -> Array:
        """Return −log₂ of the probability of the unit bin around ``y``, elementwise."""
        ...

    def table_of(self, shape: tuple[int, ...]) -> Lookup:
        """Return the choice of a table for each symbol of a latent of this shape."""
        ...


TAIL = 5.0
"""Standard deviations that a table reaches."""


def bin_probability(
    values: np.ndarray, mu: np.ndarray | float, sigma: np.ndarray | float
) -> np.ndarray:
    """Return P(|N(mu, sigma²) − value| < ½) in float64, the same on every machine.

    It is computed on the lower tail for precision, and serves tables of frequencies;
    :func:`rdbound.ops.gaussian.log_bin_probability` is differentiable. All arguments broadcast.
    """
    distance = np.abs(values - mu)
    return portable_ndtr((0.5 - distance) / sigma) - portable_ndtr((-0.5 - distance) / sigma)


def mixture_mass(
    weight: Float[np.ndarray, "C K"],
    offset: Float[np.ndarray, "C K"],
    sigma: Float[np.ndarray, "C K"],
) -> list[ChannelMass]:
    """Return the bin probabilities of mixtures of Gaussians, see :meth:`Mixture.channel_mass`.

    They are the same on every machine if the arguments are.
    """
    reach = np.ceil((np.abs(offset) + TAIL * sigma).max(axis=1)).astype(int) + 1

    def mass(c: int) -> Callable[[np.ndarray], np.ndarray]:
        parts = list(zip(weight[c], offset[c], sigma[c], strict=True))
        # A sum in a given order: that of NumPy's own depends on the processor.
        return lambda r: sum(
            (w * bin_probability(r, mu, s) for w, mu, s in parts), np.zeros_like(r)
        )

    return [(mass(c), int(reach[c])) for c in range(len(weight))]


class Draws(Protocol):
    """A posterior with a density from which samples are drawn."""

    def draw(self, key: PRNGKeyArray) -> tuple[Array, Array]:
        """Return a sample and ln q(sample)."""
        ...


class HasDensity(Protocol):
    """A prior with a density."""

    def log_density(self, z: _Array) -> Array:
        """Return ln p(z)."""
        ...


def draw_triangular(
    key: PRNGKeyArray,
    mu: Float[Array, "*shape"],
    log_diagonal: Float[Array, "*#shape"],
    spread: Callable[[jax.Array, jax.Array], jax.Array],
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Return a sample μ + L·ε, ε ~ N(0, I), with L triangular, and its log-density.

    As the determinant is the product of the diagonal, ln q = Σ_i ln N(ε_i; 0, 1) −
    log_diagonal_i, without a factorization.

    Args:
      key: PRNG key of ε.
      mu: mean.
      log_diagonal: logarithm of the diagonal of L, kept within ±20.
      spread: (diagonal of L, ε) → L·ε.

    Returns:
      The sample, and the terms of ln q for the elements of ε.
    """
    noise = jax.random.normal(key, mu.shape, mu.dtype)
    log_diagonal = gaussian.bounded(log_diagonal)
    sample = mu + spread(jnp.exp(log_diagonal), noise)
    return sample, gaussian.log_density(noise, 0.0, 0.0) - log_diagonal


class Gaussian(NamedTuple):
    """Elementwise N(mu, exp(log_sigma)²): a posterior or a prior of every channel.

    The scale is kept within e^±20 for samples and for rates
    (:func:`rdbound.ops.gaussian.bounded`). Channels without samples of the posterior use its
    mean only.

    Attributes:
      mu: means, of the latent's shape or one that broadcasts to it: a factorized prior of
        z has [C] for latents [H, W, C].
      log_sigma: log-scales, likewise.
    """

    mu: jax.Array
    log_sigma: jax.Array

    @property
    def centre(self) -> _Array:
        """The value that zero-centred quantization subtracts: the mean."""
        return self.mu

    def table_of(self, shape: tuple[int, ...]) -> Lookup:
        """Return the choice of tables by the log-scale."""
        return Lookup("gaussian", np.broadcast_to(np.asarray(self.log_sigma), shape), True)

    @staticmethod
    def standard_mass(r: np.ndarray, sigma: float) -> np.ndarray:
        """Return the probability of the unit bin at ``r`` under N(0, sigma²)."""
        return bin_probability(r, 0.0, sigma)

    def bin_bits(self, y: Float[_Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return −log₂ of the probability of the unit bin around ``y``, elementwise."""
        return -gaussian.log_bin_probability(y - self.mu, self.log_sigma) / gaussian.LN2

    def kl_bits(self, posterior: "Gaussian") -> Array:
        """Return KL(posterior ‖ self) in bits, elementwise."""
        return gaussian.kl_bits(posterior.mu, posterior.log_sigma, self.mu, self.log_sigma)

    def draw(self, key: PRNGKeyArray) -> tuple[Array, Array]:
        """Return a sample and its log-density, elementwise."""
        return draw_triangular(key, self.mu, self.log_sigma, lambda sigma, noise: sigma * noise)

    def log_density(self, z: _Array) -> Array:
        """Return ln of the density, elementwise."""
        return gaussian.log_density(z, self.mu, self.log_sigma)


class Anchored(NamedTuple):
    """N(mu, exp(log_sigma)²) with bins around the integers, whatever its mean.

    Bits-back coding needs it: the conveyed integers must not depend on a mean that is decoded
    only after them.
    """

    mu: jax.Array
    log_sigma: jax.Array

    @property
    def centre(self) -> _Array:
        """Zero: nothing is subtracted."""
        return jnp.zeros_like(self.mu)

    def bin_bits(self, y: Float[_Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return −log₂ of the probability of the unit bin around ``y``, elementwise."""
        return Gaussian(self.mu, self.log_sigma).bin_bits(y)


class Mixture(NamedTuple):
    """Elementwise mixture of K Gaussians, the learned density of a top-level latent.

        p(y) = Σ_k w_k·N(y; μ_k, σ_k²)

    The probability of a bin is the same sum over those of the Gaussians. The KL divergence has no
    closed form: it is a prior of codecs, and of bounds by the sampled channel.

    Attributes:
      log_weight: ln w_k, normalized, [..., K] over the latent's shape.
      mu: μ_k, likewise.
      log_sigma: ln σ_k, likewise.
      centre: value that zero-centred quantization subtracts, of the latent's shape.
    """

    log_weight: jax.Array
    mu: jax.Array
    log_sigma: jax.Array
    centre: jax.Array

    def bin_bits(self, y: Float[_Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return −log₂ of the probability of the unit bin around ``y``, elementwise."""
        mass = gaussian.log_bin_probability(y[..., None] - self.mu, self.log_sigma)
        return -jax.nn.logsumexp(self.log_weight + mass, axis=-1) / gaussian.LN2

    def table_of(self, shape: tuple[int, ...]) -> Lookup:
        """Return the choice of tables by the channel, the last axis."""
        return Lookup("factorized", np.broadcast_to(np.arange(shape[-1]), shape), False)

    def channel_mass(self) -> list[ChannelMass]:
        """Return the bin probabilities of each channel of [C, K] parameters.

        They are functions of the distance from the centre; the reach is that of the furthest
        component, :data:`TAIL` standard deviations out.
        """
        weight, offset, log_sigma = self.components()
        return mixture_mass(weight, offset, np.exp(log_sigma))

    def components(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights, means less the centre and log-scales, float64 [C, K] each."""
        log_weight, mu, log_sigma, centre = (np.asarray(leaf, np.float64) for leaf in self)
        return np.exp(log_weight), mu - centre[..., None], log_sigma

    def log_density(self, z: _Array) -> Array:
        """Return ln of the density, elementwise."""
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

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Return a sample, and its log-density by coordinates of the noise."""

        def spread(sigma: jax.Array, noise: jax.Array) -> jax.Array:
            return sigma * noise + jnp.tril(self.lower, -1) @ noise

        return draw_triangular(key, self.mu, self.log_diagonal, spread)


class JointMixture(NamedTuple):
    """A mixture of K Gaussians of a whole vector, each with independent components.

        p(z) = Σ_k w_k·∏_i N(z_i; μ_ki, σ_ki²)

    Unlike :class:`Mixture` it does not factorize: a vector has one density.

    Attributes:
      log_weight: ln w_k, normalized, [K].
      mu: μ_k, [K, n].
      log_sigma: ln σ_k, [K, n].
    """

    log_weight: jax.Array
    mu: jax.Array
    log_sigma: jax.Array

    def log_density(self, z: Float[_Array, " n"]) -> Float[Array, ""]:
        """Return ln of the density of a vector."""
        terms = gaussian.log_density(z, self.mu, self.log_sigma).sum(-1)
        return jax.nn.logsumexp(self.log_weight + terms)
