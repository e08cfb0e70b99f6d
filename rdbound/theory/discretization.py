"""Continuous sources on a grid, with bounds on the error of discretization."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Source, check_memory

__all__ = ["Grid", "discretize", "pairwise"]

MOST_DIMENSIONS = 3
MOST_LOST = 1e-5
TAIL = 4.0  # extent of the outermost cells, relative to that of the grid
INSIDE = {1: 64, 2: 16, 3: 10}
"""Quadrature points per side of a cell, by dimension."""


class Grid(NamedTuple):
    """A discretized source.

    Attributes:
      points: mean of each cell, [k, n]; also the reproductions.
      probabilities: probabilities of the cells, [k].
      displacement: mean distortion between X and the mean of its cell, per dimension; for squared
        error the variance inside the cells.
      within: the mean distortion inside each cell, [k].
      lost: one minus the sum of the probabilities before normalization.
      span: distortion between opposite corners of the grid.
      distortion: kind of distortion, ``squared`` or ``absolute``.
    """

    points: np.ndarray
    probabilities: np.ndarray
    displacement: float
    within: np.ndarray
    lost: float
    span: float
    distortion: str

    def matrix(self) -> np.ndarray:
        """Return E[d(X, y) | X in the cell], [k, k] over cells and points y.

        For squared error it is d(mean of the cell, y) plus the variance inside the cell; for
        absolute error in one dimension d(mean, y), except for the cell's own point.
        """
        matrix = pairwise(self.points, self.points, self.distortion)
        if self.distortion == "squared":
            return matrix + self.within[:, None]
        return matrix + np.diag(self.within)

    def missed(self, lmbda: float) -> float:
        """Return the bits per dimension by which J of the grid may lie below that of the source.

        The grid's channel can be applied to X on the grid; elsewhere a reproduction drawn
        independently of X costs no rate. The mean distortion of the tails is taken to be at most
        that of opposite corners.
        """
        return abs(self.lost) * lmbda * self.span

    def error(self, lmbda: float, distortion: float) -> float:
        """Return the bits per dimension by which J of the grid may lie above that of the source.

        For squared error, with v the variance inside the cells, I(X̃; Y) ≤ I(X; Y) and
        √D̃ ≤ √D + √v (Minkowski) give λ·(2·√(D·v) + 2v); for absolute error the triangle
        inequality gives 2·λ·v. The bound is far from tight. It does not contain the cost of
        restricting reproductions to the grid, which halving the spacing shows.

        Args:
          lmbda: λ, in bits per unit of distortion.
          distortion: D of the source's optimum, or of the grid's channel in its place.
        """
        v = self.displacement
        root = 0.0 if self.distortion == "absolute" else float(np.sqrt(distortion * v))
        return 2.0 * lmbda * (root + v) + self.missed(lmbda)


def pairwise(x: np.ndarray, y: np.ndarray, distortion: str) -> np.ndarray:
    """Return the distortions [a, b] between rows of x [a, n] and y [b, n], means over dimensions.

    Raises:
      ValueError: if the distortion is neither ``squared`` nor ``absolute``.
    """
    if distortion not in ("squared", "absolute"):
        raise ValueError(f"points have squared or absolute distortion, not {distortion}")
    total = np.zeros((len(x), len(y)))
    for i in range(x.shape[1]):
        difference = np.subtract.outer(x[:, i], y[:, i])
        total += difference**2 if distortion == "squared" else np.abs(difference)
    return total / x.shape[1]


def discretize(source: Source, points: int = 400, extent: float = 6.0) -> Grid:
    """Put a source with a density on a grid.

    The grid spans the source's ``support`` if it is bounded, else ``extent`` standard deviations
    to both sides of the mean (of a large sample), with a cell for the tail on either side.
    Quadrature inside a cell gives its probability and its mean.

    Args:
      source: a source with a method ``log2_density``.
      points: points of the grid in each dimension.
      extent: half the width of the grid, in standard deviations.

    Raises:
      ValueError: if the source has no density or more than three dimensions, memory does not hold
        the grid, or the grid misses some of the probability.
    """
    n = source.dimension
    if n > MOST_DIMENSIONS:
        raise ValueError(
            f"a grid serves at most {MOST_DIMENSIONS} dimensions, not {n}: use wasserstein "
            "or neural-upper"
        )
    if source.distortion == "absolute" and n > 1:
        raise ValueError("a grid serves absolute error in one dimension only")
    if not hasattr(source, "log2_density"):
        raise ValueError(f"{type(source).__name__} has no density to put on a grid")
    cells = float(points) ** n
    check_memory(3 * 8 * cells**2, f"a grid of {points}^{n} points squared")
    edges = _edges(source, points, extent)
    mass, mean, second = _moments(source.log2_density, source.distortion, edges)
    total = mass.sum()
    if abs(1.0 - total) > MOST_LOST:
        raise ValueError(
            f"the grid holds a probability of {total:.6g}, not of one: raise extent, now "
            f"{extent:g}, if it ends too early, or points, now {points}, if its cells are too wide"
        )
    keep = mass > 0
    mass, mean, second = mass[keep], mean[keep], second[keep]
    displacement = float((mass * second).sum() / total)
    sides = np.array([edge[-1] - edge[0] for edge in edges])
    span = float(np.mean(sides**2 if source.distortion == "squared" else sides))
    lost = float(1.0 - total)
    return Grid(mean, mass / total, displacement, second, lost, span, source.distortion)


def _edges(source: Source, points: int, extent: float) -> list[np.ndarray]:
    """Return the edges of the cells in each dimension; outermost cells hold unbounded tails."""
    if hasattr(source, "support"):
        return [np.linspace(low, high, points + 1) for low, high in source.support]
    if points < 3:
        raise ValueError(f"a grid needs at least three points a dimension, not {points}")
    sample = np.asarray(source.sample(jax.random.key(0), 100_000), np.float64)
    out = []
    for centre, reach in zip(sample.mean(0), extent * sample.std(0), strict=True):
        inner = np.linspace(centre - reach, centre + reach, points - 1)
        out.append(np.array([centre - TAIL * reach, *inner, centre + TAIL * reach]))
    return out


def _moments(
    log2_density: Callable[[np.ndarray], np.ndarray], distortion: str, edges: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mass, the mean [n] and the mean distortion around it of each cell."""
    n, inner = len(edges), INSIDE[len(edges)]
    nodes, weights = np.polynomial.legendre.leggauss(inner)
    axes, factors = [], []
    for edge in edges:
        half = np.diff(edge)[:, None] / 2
        axes.append(edge[:-1, None] + half + half * nodes)
        factors.append(half * weights)
    mass, mean, second = [], [], []
    rest = [len(e) - 1 for e in edges[1:]]
    for i in range(len(edges[0]) - 1):  # a slab at a time
        places = [axes[0][i : i + 1], *axes[1:]]
        scale = [factors[0][i : i + 1], *factors[1:]]
        # [cells_1, in_1, cells_2, in_2, …] → [cells, inside]
        grids = np.meshgrid(*[a.ravel() for a in places], indexing="ij")
        x = np.stack(grids, axis=-1)
        w = np.ones([1] * n)
        for axis, s in enumerate(scale):
            w = w * s.ravel().reshape([-1 if a == axis else 1 for a in range(n)])
        density = np.exp(LN2 * log2_density(x)) * w
        shape = [side for a in range(n) for side in ((1, *rest)[a], inner)]
        order = [2 * a for a in range(n)] + [2 * a + 1 for a in range(n)]
        d = density.reshape(shape).transpose(order).reshape(-1, inner**n)
        x = x.reshape([*shape, n]).transpose([*order, 2 * n]).reshape(-1, inner**n, n)
        m = d.sum(1)
        safe = np.maximum(m, 1e-300)
        centre = (d[..., None] * x).sum(1) / safe[:, None]
        away = x - centre[:, None]
        away = away**2 if distortion == "squared" else np.abs(away)
        mass.append(m)
        mean.append(centre)
        second.append((d * away.mean(-1)).sum(1) / safe)
    return np.concatenate(mass), np.concatenate(mean), np.concatenate(second)
