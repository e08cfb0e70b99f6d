"""The distributions a latent model speaks in: Gaussians and mixtures of them.

A prior that integers are coded with says by itself what zero-centred
quantization subtracts, the mass of its unit bins, and what chooses its table of
frequencies (:class:`Prior`): a third family needs no change in the codec.

All are named tuples of arrays, therefore pytrees: they pass through ``jit``,
``vmap`` and optax as they are. What can be drawn from with its own log-density
is a posterior of the sampled channel (``draw``), what has a log-density a
prior of it (``log_density``); both are in nats, elementwise where the
distribution factorizes and a scalar of the whole latent where it does not.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.ops import gaussian
from rdbound.ops.reproducible import portable_ndtr

__all__ = [
    "Anchored",
    "Draws",
    "FullGaussian",
    "Gaussian",
    "HasDensity",
    "JointMixture",
    "Lookup",
    "Mixture",
    "Prior",
    "bin_probability",
    "draw_triangular",
    "mixture_mass",
]


class Lookup(NamedTuple):
    """What chooses the table of each symbol.

    Attributes:
      family: of the prior: with the level, the key of its tables in the checkpoint.
      place: of the latent's shape; log-scales where ``scaled``, else the number of
        the table among those of the level itself.
      scaled: whether the tables are a ladder over scales, shared by all levels.
    """

    family: str
    place: np.ndarray
    scaled: bool


class Prior(Protocol):
    """A prior that integers are coded with.

    What is coded is the integer round(y − centre); its probability is the mass
    of the unit bin around it. Floats may only *choose* a table of integer
    frequencies, since encoder and decoder may differ in their last digits.

    A family of scales also has ``standard_mass(r, sigma)``, the mass of the unit
    bin at r of its centred member of scale σ, from which its ladder of tables is
    made; any other has ``channel_mass()``, a list of (mass, reach) a channel: a
    function of r, and the magnitude up to which a table should go.
    """

    @property
    def centre(self) -> jax.Array:
        """What zero-centred quantization subtracts."""
        ...

    def bin_bits(self, y: jax.Array) -> jax.Array:
        """−log₂ of the mass of the unit bin around ``y``, elementwise."""
        ...

    def table_of(self, shape: tuple[int, ...]) -> Lookup:
        """What chooses the table of each symbol of a latent of this shape."""
        ...


TAIL = 5.0
"""Standard deviations that a table reaches."""


def bin_probability(
    values: np.ndarray, mu: np.ndarray | float, sigma: np.ndarray | float
) -> np.ndarray:
    """P(|N(mu, sigma²) − value| < ½) in float64, on the lower tail for precision.

    For making tables, the same on every machine; :func:`rdbound.ops.gaussian.log_bin_probability`
    is its differentiable twin. All arguments broadcast.
    """
    distance = np.abs(values - mu)
    return portable_ndtr((0.5 - distance) / sigma) - portable_ndtr((-0.5 - distance) / sigma)


def mixture_mass(weight: np.ndarray, offset: np.ndarray, sigma: np.ndarray) -> list:
    """(mass, reach) of mixtures of Gaussians, see :meth:`Mixture.channel_mass`.

    ``weight``, ``offset`` and ``sigma`` are [C, K]; what they are made of decides whether the
    masses are the same on every machine.
    """
    reach = np.ceil((np.abs(offset) + TAIL * sigma).max(axis=1)).astype(int) + 1

    def mass(c: int) -> Callable[[np.ndarray], np.ndarray]:
        parts = list(zip(weight[c], offset[c], sigma[c], strict=True))
        # A sum in a given order: NumPy's own hangs on the processor.
        return lambda r: sum(
            (w * bin_probability(r, mu, s) for w, mu, s in parts), np.zeros_like(r)
        )

    return [(mass(c), int(reach[c])) for c in range(len(weight))]


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


def draw_triangular(
    key: jax.Array,
    mu: jax.Array,
    log_diagonal: jax.Array,
    spread: Callable[[jax.Array, jax.Array], jax.Array],
) -> tuple[jax.Array, jax.Array]:
    """(μ + L·ε, ln of its density by elements of ε), ε ~ N(0, I) and L triangular.

    ``spread`` is (the diagonal of L, ε) → L·ε. As the determinant is the product of the
    diagonal, ln q = Σ_i ln N(ε_i; 0, 1) − log_diagonal_i, without a factorization. The diagonal
    is kept within e^±20.
    """
    noise = jax.random.normal(key, mu.shape, mu.dtype)
    log_diagonal = gaussian.bounded(log_diagonal)
    sample = mu + spread(jnp.exp(log_diagonal), noise)
    return sample, gaussian.log_density(noise, 0.0, 0.0) - log_diagonal


class Gaussian(NamedTuple):
    """Elementwise N(mu, exp(log_sigma)²): a posterior, or a prior.

    The scale is kept within e^±20, when it is drawn from and when it is charged for
    (:func:`rdbound.ops.gaussian.bounded`).

    ``mu`` and ``log_sigma`` have the shape of the latent, or one that broadcasts
    to it: a factorized prior of z has [C] for latents [H, W, C]. As a prior it
    serves every channel, and as a posterior too: those that do not draw from it
    use its mean only.
    """

    mu: jax.Array
    log_sigma: jax.Array

    @property
    def centre(self) -> jax.Array:
        """What zero-centred quantization subtracts: the mean."""
        return self.mu

    def table_of(self, shape: tuple[int, ...]) -> Lookup:
        """By the log-scale."""
        return Lookup("gaussian", np.broadcast_to(np.asarray(self.log_sigma), shape), True)

    @staticmethod
    def standard_mass(r: np.ndarray, sigma: float) -> np.ndarray:
        """The mass of the unit bin at ``r`` of N(0, sigma²)."""
        return bin_probability(r, 0.0, sigma)

    def bin_bits(self, y: jax.Array) -> jax.Array:
        """−log₂ of the mass of the unit bin around ``y``, elementwise."""
        return -gaussian.log_bin_probability(y - self.mu, self.log_sigma) / gaussian.LN2

    def kl_bits(self, posterior: "Gaussian") -> jax.Array:
        """KL(posterior ‖ self) in bits, elementwise."""
        return gaussian.kl_bits(posterior.mu, posterior.log_sigma, self.mu, self.log_sigma)

    def draw(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(sample, ln of its density), elementwise."""
        return draw_triangular(key, self.mu, self.log_sigma, lambda sigma, noise: sigma * noise)

    def log_density(self, z: jax.Array) -> jax.Array:
        """Ln of the density, elementwise."""
        return gaussian.log_density(z, self.mu, self.log_sigma)


class Anchored(NamedTuple):
    """N(mu, exp(log_sigma)²) whose bins are those of the integers, wherever its mean is.

    What bits-back needs: the integers that are conveyed may not hang on what is known only
    after them.
    """

    mu: jax.Array
    log_sigma: jax.Array

    @property
    def centre(self) -> jax.Array:
        """Zero: nothing is subtracted."""
        return jnp.zeros_like(self.mu)

    def bin_bits(self, y: jax.Array) -> jax.Array:
        """−log₂ of the mass of the unit bin around ``y``, elementwise."""
        return Gaussian(self.mu, self.log_sigma).bin_bits(y)


class Mixture(NamedTuple):
    """Elementwise mixture of K Gaussians, the learned density of a top-level latent.

        p(y) = Σ_k w_k·N(y; μ_k, σ_k²)

    The mass of a bin is the same sum over the masses of its Gaussians. It has no
    closed-form divergence: a codec's prior, or a bound's by the sampled channel.

    ``log_weight``, ``mu``, ``log_sigma`` are [..., K] over the latent's shape
    (weights normalized by the model); ``centre`` has the latent's shape.
    """

    log_weight: jax.Array
    mu: jax.Array
    log_sigma: jax.Array
    centre: jax.Array

    def bin_bits(self, y: jax.Array) -> jax.Array:
        """−log₂ of the mass of the unit bin around ``y``, elementwise."""
        mass = gaussian.log_bin_probability(y[..., None] - self.mu, self.log_sigma)
        return -jax.nn.logsumexp(self.log_weight + mass, axis=-1) / gaussian.LN2

    def table_of(self, shape: tuple[int, ...]) -> Lookup:
        """By the channel, the last axis."""
        return Lookup("factorized", np.broadcast_to(np.arange(shape[-1]), shape), False)

    def channel_mass(self) -> list:
        """(mass, reach) of each channel of [C, K] parameters, around its centre.

        ``mass(r)`` is the probability of the bin at centre + r; ``reach`` is where
        the furthest component has ended, :data:`TAIL` standard deviations out.
        """
        weight, offset, log_sigma = self.components()
        return mixture_mass(weight, offset, np.exp(log_sigma))

    def components(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(weights, means less the centre, log-scales), float64 [C, K] each."""
        log_weight, mu, log_sigma, centre = (np.asarray(leaf, np.float64) for leaf in self)
        return np.exp(log_weight), mu - centre[..., None], log_sigma

    def log_density(self, z: jax.Array) -> jax.Array:
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

    def draw(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(sample, ln of its density), the latter by coordinates of the noise: [n] each."""
        spread = lambda sigma, noise: sigma * noise + jnp.tril(self.lower, -1) @ noise  # noqa: E731
        return draw_triangular(key, self.mu, self.log_diagonal, spread)


class JointMixture(NamedTuple):
    """A mixture of K Gaussians of a whole vector, each with independent components.

        p(z) = Σ_k w_k·∏_i N(z_i; μ_ki, σ_ki²)

    Unlike :class:`Mixture` it does not factorize: its density is one number a vector.

    ``log_weight`` [K], normalized; ``mu`` and ``log_sigma`` [K, n].
    """

    log_weight: jax.Array
    mu: jax.Array
    log_sigma: jax.Array

    def log_density(self, z: jax.Array) -> jax.Array:
        """Ln of the density of the vector [n], a scalar."""
        terms = gaussian.log_density(z, self.mu, self.log_sigma).sum(-1)
        return jax.nn.logsumexp(self.log_weight + terms)
