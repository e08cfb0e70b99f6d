"""Sources with additive Gaussian noise, whose R(D) at low distortion is known (deconvolution).

Where X = S + N with N ~ N(0, σ²I) independent of S and the distortion is
squared error, S is an optimal reproduction at D = σ² and S + N(0, (σ² − D)I)
at every D below: the Shannon lower bound

    R(D) = h(X)/n − ½·log₂(2πe·D)    for D ≤ σ²

is tight (Yang et al. 2023, for the circle at λ = 1/(2·ln 2·σ²)).
"""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from pydantic import SkipValidation, validate_call
from scipy.integrate import quad
from scipy.special import i0e, ndtr

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, Scale, check_positive
from rdbound.sources.finite import check_probabilities
from rdbound.utils.registry import OPTIONS

__all__ = ["Circle", "GaussianMixture", "NoisyUniform"]

MOST_POINTS = 2e7  # of the quadrature of a mixture's entropy


Numbers = Annotated[ArrayLike, SkipValidation]
"""An array or nested lists of numbers, which the constructor checks."""


class _Noisy(ABC):
    """A source with noise of standard deviation ``noise``; ``_entropy`` computes h(X)."""

    distortion = "squared"
    noise: float
    dimension: int

    @cached_property
    def entropy(self) -> float:
        """Return the differential entropy h(X) of the vector in bits."""
        return self._entropy()

    @abstractmethod
    def _entropy(self) -> float: ...

    def exact(self, lmbda: float) -> Point | None:
        """Return (R, D) where R + λ·D is least, for D ≤ σ²; None for smaller λ.

        Raises:
          ValueError: unless λ > 0.
        """
        distortion = 1.0 / (2.0 * LN2 * check_positive(lmbda))
        rate = self.rate(distortion)
        return None if rate is None else Point(rate, distortion)

    def rate(self, distortion: float) -> float | None:
        """Return R at a distortion of at most σ²; None above, or if the entropy is unknown."""
        # λ = 1/(2·ln 2·σ²) itself must not be lost to rounding.
        if not 0 < distortion <= self.noise**2 * (1 + 1e-9) or np.isnan(self.entropy):
            return None
        h = self.entropy / self.dimension
        return float(h - 0.5 * np.log2(2 * np.pi * np.e * distortion))


class Circle(_Noisy):
    """A uniform point of the unit circle plus N(0, ``noise``²) in both coordinates.

    Raises ValueError unless ``noise`` is positive.
    """

    dimension = 2

    @validate_call(config=OPTIONS)
    def __init__(self, noise: Scale = 0.1):
        self.noise = noise

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, 2]."""
        angle_key, noise_key = jax.random.split(key)
        angle = 2 * jnp.pi * jax.random.uniform(angle_key, (count,))
        points = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
        return points + self.noise * jax.random.normal(noise_key, points.shape)

    def log2_density(self, x: np.ndarray) -> np.ndarray:
        """Return log₂ of the density at ``x`` [..., 2], a Bessel function of the radius."""
        return self._log2_at_radius(np.sqrt((np.asarray(x) ** 2).sum(-1)))

    def _log2_at_radius(self, radius):
        variance = self.noise**2
        nats = -((radius - 1.0) ** 2) / (2 * variance) + np.log(i0e(radius / variance))
        return (nats - np.log(2 * np.pi * variance)) / LN2

    def _entropy(self) -> float:
        """Return h(X) in bits, by quadrature over the radius."""

        def integrand(radius: float) -> float:
            log2 = self._log2_at_radius(radius)
            return -2 * np.pi * radius * 2.0**log2 * log2

        ends = max(0.0, 1 - 10 * self.noise), 1 + 10 * self.noise
        return quad(integrand, *ends, epsabs=1e-12, epsrel=1e-10, limit=500)[0]


class NoisyUniform(_Noisy):
    """A uniform point of [−1, 1] plus N(0, ``noise``²).

    Raises ValueError unless ``noise`` is positive.
    """

    dimension = 1

    @validate_call(config=OPTIONS)
    def __init__(self, noise: Scale = 0.1):
        self.noise = noise

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, 1]."""
        place_key, noise_key = jax.random.split(key)
        place = jax.random.uniform(place_key, (count, 1), minval=-1.0, maxval=1.0)
        return place + self.noise * jax.random.normal(noise_key, (count, 1))

    def log2_density(self, x: np.ndarray) -> np.ndarray:
        """Return log₂ of the density at ``x`` [..., 1]."""
        r = np.abs(np.asarray(x)[..., 0])
        # Both ends on the lower tail, where ndtr keeps its precision.
        mass = ndtr((1 - r) / self.noise) - ndtr((-1 - r) / self.noise)
        with np.errstate(divide="ignore"):
            return np.log2(mass) - 1.0

    def _entropy(self) -> float:
        """Return h(X) in bits, by quadrature."""

        def integrand(x: float) -> float:
            log2 = float(self.log2_density(np.array([x])))
            return -(2.0**log2) * log2 if np.isfinite(log2) else 0.0

        end = 1 + 10 * self.noise
        return 2 * quad(integrand, 0.0, end, points=[1.0], epsabs=1e-12, limit=500)[0]


class GaussianMixture(_Noisy):
    """Isotropic Gaussians of standard deviation ``noise`` around ``means`` [k, n].

    ``weights`` [k] default to equal ones. Its entropy is known by quadrature in
    one and two dimensions only; above, ``exact`` is None. Raises ValueError for
    means that are not finite vectors, a ``noise`` that is not positive, or weights
    that are no distribution over the means.
    """

    @validate_call(config=OPTIONS)
    def __init__(self, means: Numbers, noise: Scale, weights: Numbers | None = None):
        self.means = np.atleast_2d(np.asarray(means, np.float64))
        self.noise = noise
        if self.means.ndim != 2 or 0 in self.means.shape or not np.isfinite(self.means).all():
            raise ValueError("means must be a list of vectors of finite numbers, [k, n]")
        count, self.dimension = self.means.shape
        equal = np.full(count, 1 / count)
        self.weights = check_probabilities(equal if weights is None else weights, "weights")
        if len(self.weights) != count:
            raise ValueError(f"{count} means need as many weights, not {len(self.weights)}")

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, n]."""
        which_key, noise_key = jax.random.split(key)
        logits = jnp.log(jnp.asarray(self.weights, jnp.float32))
        which = jax.random.categorical(which_key, logits, shape=(count,))
        means = jnp.asarray(self.means, jnp.float32)[which]
        return means + self.noise * jax.random.normal(noise_key, means.shape)

    def log2_density(self, x: np.ndarray) -> np.ndarray:
        """Return log₂ of the density at ``x`` [..., n]."""
        squared = ((np.asarray(x)[..., None, :] - self.means) ** 2).sum(-1)
        with np.errstate(divide="ignore"):  # a weight may be zero
            terms = np.log(self.weights) - squared / (2 * self.noise**2)
        nats = np.logaddexp.reduce(terms, axis=-1)
        return (nats - 0.5 * self.dimension * np.log(2 * np.pi * self.noise**2)) / LN2

    def _entropy(self) -> float:
        """Return h(X) in bits; NaN above two dimensions, or if the grid were too large.

        By the trapezoid rule, which converges faster than any power of the
        spacing for such smooth densities: ten points per standard deviation.
        """
        if self.dimension > 2:
            return float("nan")
        axes = [
            np.arange(low - 10 * self.noise, high + 10 * self.noise, self.noise / 10)
            for low, high in zip(self.means.min(0), self.means.max(0), strict=True)
        ]
        if np.prod([float(len(axis)) for axis in axes]) > MOST_POINTS:
            return float("nan")
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.dimension)
        log2 = np.concatenate([self.log2_density(part) for part in np.array_split(grid, 64)])
        return float(-(2.0**log2 * log2).sum() * (self.noise / 10) ** self.dimension)
