"""Sources of vectors, by name."""

from collections.abc import Callable
from typing import Any

from rdbound.sources.banana import Banana
from rdbound.sources.base import Point, Source, Stream, exact_rate, exact_slope
from rdbound.sources.empirical import Empirical, patches
from rdbound.sources.finite import Finite, bernoulli, uniform_finite
from rdbound.sources.gaussian import GaussianSource, ar1, random_gaussian
from rdbound.sources.manifold import Manifold
from rdbound.sources.noisy import Circle, GaussianMixture, NoisyUniform
from rdbound.sources.sawbridge import Sawbridge
from rdbound.sources.scalar import Laplacian, Uniform
from rdbound.utils.registry import build

__all__ = [
    "SOURCES",
    "Point",
    "Source",
    "Stream",
    "exact_rate",
    "exact_slope",
    "make_source",
]

SOURCES: dict[str, Callable[..., Source]] = {
    "ar1": ar1,
    "banana": Banana,
    "bernoulli": bernoulli,
    "circle": Circle,
    "empirical": Empirical.from_npy,
    "finite": Finite,
    "gaussian": GaussianSource,
    "laplacian": Laplacian,
    "manifold": Manifold,
    "mixture": GaussianMixture,
    "noisy-uniform": NoisyUniform,
    "patches": patches,
    "random-gaussian": random_gaussian,
    "sawbridge": Sawbridge,
    "uniform": Uniform,
    "uniform-finite": uniform_finite,
}


def make_source(name: str, **options: Any) -> Source:
    """Build a source.

    Args:
      name: a name in :data:`SOURCES`, or ``package.module:Class``.
      options: arguments of its constructor.

    Raises:
      ValueError: if the name or an option is unknown, or a value is invalid.
    """
    return build("source", SOURCES, name, options)
