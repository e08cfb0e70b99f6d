"""Gaussian vectors, whose R(D) is known by reverse water-filling."""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, NonNegativeInt, PositiveInt, validate_call
from scipy.optimize import brentq

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, check_memory, check_positive

__all__ = ["GaussianSource", "ar1", "ar1_asymptotic", "random_gaussian"]

FREQUENCIES = 1 << 16


Correlation = Annotated[float, Field(gt=-1, lt=1)]
"""The correlation of neighbours."""


class GaussianSource:
    """N(0, Σ), with squared error and reverse water-filling (Cover & Thomas 2006, thm. 10.3.3).

    In the eigenbasis of Σ, component i has distortion Dᵢ = min(θ, σᵢ²) and rate
    ½·log₂(σᵢ²/Dᵢ); the slope −λ fixes the water level at θ = 1 / (2·ln 2·λ).

    Args:
      variances: variances of independent components, [n]; or
      covariance: a positive semi-definite matrix, [n, n].

    Raises:
      ValueError: unless exactly one is given, and it is valid.
    """

    distortion = "squared"

    def __init__(self, variances: ArrayLike | None = None, covariance: ArrayLike | None = None):
        if (variances is None) == (covariance is None):
            raise ValueError("a Gaussian source needs either variances or a covariance")
        if covariance is None:
            self.eigenvalues = np.atleast_1d(np.asarray(variances, np.float64))
            self._root: np.ndarray | None = None
            self._axes: np.ndarray | None = None
        else:
            self.eigenvalues, self._axes = _decomposed(np.asarray(covariance, np.float64))
            self._root = (self._axes * np.sqrt(self.eigenvalues)).T.astype(np.float32)
        good = self.eigenvalues.ndim == 1 and len(self.eigenvalues) > 0
        if not good or not (np.isfinite(self.eigenvalues) & (self.eigenvalues >= 0)).all():
            raise ValueError("variances must be a list of numbers that are not negative")
        self.dimension = len(self.eigenvalues)

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw vectors, [count, n]."""
        normal = jax.random.normal(key, (count, self.dimension))
        if self._root is None:
            return normal * jnp.asarray(np.sqrt(self.eigenvalues), jnp.float32)
        return jnp.matmul(normal, self._root, precision="highest")

    @property
    def entropy(self) -> float:
        """Return the differential entropy of the vector in bits; −∞ if Σ is singular."""
        with np.errstate(divide="ignore"):
            return float(0.5 * np.sum(np.log2(2 * np.pi * np.e * self.eigenvalues)))

    def log2_density(self, x: np.ndarray) -> np.ndarray:
        """Return log₂ of the density at ``x`` [..., n]; raise ValueError if Σ is singular."""
        if not (self.eigenvalues > 0).all():
            raise ValueError("a Gaussian with a singular covariance has no density")
        x = np.asarray(x, np.float64)
        along = x if self._axes is None else x @ self._axes
        nats = -0.5 * (along**2 / self.eigenvalues + np.log(2 * np.pi * self.eigenvalues))
        return nats.sum(-1) / LN2

    def exact(self, lmbda: float) -> Point:
        """Return (R, D) per dimension where R + λ·D is least; raise ValueError unless λ > 0."""
        return self._at_level(1.0 / (2.0 * LN2 * check_positive(lmbda)))

    def rate(self, distortion: float) -> float:
        """Return R per dimension at a mean squared error per dimension; infinite at D ≤ 0."""
        top = float(self.eigenvalues.max())
        if distortion >= self.eigenvalues.mean():
            return 0.0
        if distortion <= 0:
            return float("inf")
        # The level is at least the mean distortion.
        level = brentq(
            lambda t: self._at_level(t).distortion - distortion, distortion, top, xtol=1e-15
        )
        return self._at_level(level).rate

    def _at_level(self, level: float) -> Point:
        distortion = np.minimum(level, self.eigenvalues)
        active = self.eigenvalues > level
        rate = 0.5 * np.log2(self.eigenvalues[active] / level).sum() if active.any() else 0.0
        return Point(float(rate / self.dimension), float(distortion.mean()))


def _decomposed(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues [n], 0 if rounding made them negative, and axes [n, n]."""
    square = covariance.ndim == 2 and covariance.shape[0] == covariance.shape[1]
    if not square or not np.allclose(covariance, covariance.T):
        raise ValueError(
            "the covariance must be a symmetric matrix of finite numbers, not this one "
            f"of shape {covariance.shape}"
        )
    eigenvalues, axes = np.linalg.eigh(covariance)
    if eigenvalues.min() < -1e-9 * np.abs(eigenvalues).max():
        raise ValueError(f"the covariance has the negative eigenvalue {eigenvalues.min():.3g}")
    return np.maximum(eigenvalues, 0.0), axes


@validate_call
def ar1(dimension: PositiveInt, correlation: Correlation, variance: float = 1.0) -> GaussianSource:
    """Return the source of successive samples of xₜ = ρ·xₜ₋₁ + noise: Σᵢⱼ = σ²·ρ^|i−j|.

    Args:
      dimension: number of samples, n ≥ 1.
      correlation: ρ, with |ρ| < 1.
      variance: σ².

    Raises:
      ValueError: if an argument is outside its range, or memory does not hold Σ.
    """
    _check_size(dimension)
    lags = np.abs(np.subtract.outer(np.arange(dimension), np.arange(dimension)))
    return GaussianSource(covariance=variance * float(correlation) ** lags)


def _check_size(dimension: int) -> None:
    check_memory(32.0 * dimension**2, f"a covariance of {dimension} × {dimension}")


@validate_call
def ar1_asymptotic(lmbda: float, correlation: Correlation, variance: float = 1.0) -> Point:
    """Return (R, D) per sample of the AR(1) process, by reverse water-filling on its spectrum.

    S(ω) = σ²(1 − ρ²) / (1 − 2ρ·cos ω + ρ²) takes the place of the eigenvalues
    (Kolmogorov 1956; Gray 1970, for their convergence to it as n grows).

    Args:
      lmbda: λ, in bits per unit of squared error.
      correlation: ρ.
      variance: σ², the variance of a sample.

    Raises:
      ValueError: unless |ρ| < 1 and λ > 0.
    """
    # The mean over equidistant frequencies approximates the integral over ω.
    omega = (np.arange(FREQUENCIES) + 0.5) * np.pi / FREQUENCIES
    spectrum = (
        variance * (1 - correlation**2) / (1 - 2 * correlation * np.cos(omega) + correlation**2)
    )
    return GaussianSource(spectrum).exact(lmbda)


@validate_call
def random_gaussian(
    dimension: PositiveInt = 1000, seed: NonNegativeInt = 0, rotated: bool = False
) -> GaussianSource:
    """Return a Gaussian with variances drawn uniformly from [0, 2] (Yang & Mandt 2022, §6.1).

    Args:
      dimension: n.
      seed: seed of the variances and the rotation.
      rotated: whether the axes are turned by a random orthogonal matrix. It changes neither R(D)
        nor the optimum of a linear model, but the model must find the axes.

    Raises:
      ValueError: if memory does not hold that matrix.
    """
    generator = np.random.default_rng(seed)
    variances = generator.uniform(0.0, 2.0, dimension)
    if not rotated:
        return GaussianSource(variances)
    _check_size(dimension)
    turn, _ = np.linalg.qr(generator.normal(size=(dimension, dimension)))
    return GaussianSource(covariance=(turn * variances) @ turn.T)
