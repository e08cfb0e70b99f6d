"""Does knowing the posterior's scales save bits? Two weights of a linear regression, quantized.

After Yang, Bamler & Mandt 2020 (arXiv 2002.08158, Figure 2). y = x·w + noise with features of very
different size, so that the exact posterior N(m, Λ⁻¹) is narrow in one direction and wide in
another. Its mean-field approximation has the same mean and the scales Λ_ii^−½; code points are
chosen by these, a uniform grid knows nothing of them. Compared by what matters, the exact
posterior's log-density that is lost, ½·(ŵ − m)ᵀ·Λ·(ŵ − m) nats: at equal bits, and at equal
distance ‖ŵ − m‖ from the optimum.

    python experiments/bayesian_regression.py [--problems 500]
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri

from rdbound.ops.code_points import nearest_points
from rdbound.report.document import Table
from rdbound.report.figures.style import STYLE
from rdbound.report.markdown import block_lines

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
REACH = 3.0  # prior standard deviations that the grid covers


class Problem(NamedTuple):
    """An exact posterior: mean [d] and precision [d, d]; the prior is N(0, 1)."""

    mean: np.ndarray
    precision: np.ndarray

    def loss(self, w: np.ndarray) -> float:
        """Nats of the exact posterior's log-density below its maximum."""
        off = w - self.mean
        return float(0.5 * off @ self.precision @ off)


class Found(NamedTuple):
    """Quantized weights, and the bits that they are told in."""

    w: np.ndarray
    bits: float


def problem(rng: np.random.Generator, data: int = 20, noise: float = 0.3) -> Problem:
    """Observations of two features, one up to ten times as large as the other."""
    scales = np.array([1.0, np.exp(rng.uniform(np.log(0.1), np.log(10.0)))])
    x = rng.normal(size=(data, 2)) * scales
    y = x @ rng.normal(size=2) + noise * rng.normal(size=data)
    precision = np.eye(2) + x.T @ x / noise**2
    return Problem(np.linalg.solve(precision, x.T @ y / noise**2), precision)


def by_points(of: Problem, penalty: float) -> Found:
    """Code points by the prior N(0, 1), each of as many bits as it has."""
    sigma = np.diag(of.precision) ** -0.5
    points = nearest_points(ndtr(of.mean), of.mean, sigma, penalty, lambda p, which: ndtri(p))
    return Found(ndtri(points.value), float(points.bits.sum()))


def by_grid(of: Problem, bits: float) -> Found:
    """The nearest of 2^(bits/2) even levels a weight."""
    levels = max(round(2 ** (bits / len(of.mean))), 1)
    step = 2 * REACH / levels
    place = np.clip(np.floor((of.mean + REACH) / step), 0, levels - 1)
    return Found((place + 0.5) * step - REACH, len(of.mean) * np.log2(levels))


def as_far(of: Problem, found: Found, rng: np.random.Generator) -> float:
    """Mean loss of weights as far from the optimum as ``found``, in any direction."""
    angle = rng.uniform(0, 2 * np.pi, 64)
    away = np.linalg.norm(found.w - of.mean) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return float(np.mean([of.loss(of.mean + off) for off in away]))


def compared(problems: list[Problem], rng: np.random.Generator) -> Table:
    """Means over problems with standard errors, by the penalty."""
    rows = []
    for penalty in PENALTIES:
        bits, losses = [], []
        for of in problems:
            points = by_points(of, penalty)
            grid = by_grid(of, points.bits)
            bits.append(points.bits / 2)
            losses.append((of.loss(points.w), of.loss(grid.w), as_far(of, points, rng)))
        logs = np.log(np.maximum(losses, 1e-9))
        ratios = logs[:, 1:] - logs[:, :1]
        mean, error = ratios.mean(0), ratios.std(0, ddof=1) / len(problems) ** 0.5
        medians = (f"{value:.3f}" for value in np.median(losses, axis=0))
        spread = (f"{m:+.2f} ± {e:.2f}" for m, e in zip(mean, error, strict=True))
        rows.append((f"{penalty:g}", f"{np.mean(bits):.2f}", *medians, *spread))
    header = (
        "penalty",
        "bits a weight",
        "loss, points",
        "grid",
        "as far",
        "ln grid/points",
        "ln as far/points",
    )
    return Table(header, rows)


def figure_of(of: Problem, penalty: float) -> Figure:
    """Contours of the exact posterior with what either quantizer makes of its mean."""
    points = by_points(of, penalty)
    grid = by_grid(of, points.bits)
    radius = 1.6 * max(np.abs(found.w - of.mean).max() for found in (points, grid))
    at = np.linspace(-radius, radius, 201)
    one, two = np.meshgrid(of.mean[0] + at, of.mean[1] + at)
    off = np.stack([one - of.mean[0], two - of.mean[1]], axis=-1)
    loss = 0.5 * np.einsum("...i,ij,...j", off, of.precision, off)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4.0), layout="constrained")
        axes = figure.add_subplot()
        axes.contour(one, two, loss, levels=[0.5, 2, 4.5, 8, 12.5], colors="0.7", linewidths=0.8)
        axes.plot(*of.mean, "k+", ms=9, label="posterior mean")
        for name, found, mark in (("code points", points, "o"), ("uniform grid", grid, "s")):
            label = f"{name}: {found.bits:.0f} bits, {of.loss(found.w):.2f} nats lost"
            axes.plot(*found.w, mark, ms=6, label=label)
        axes.set(xlabel="first weight", ylabel="second weight")
        axes.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return figure


def main() -> None:
    """Print the comparison and draw the first problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--output", type=Path, default=Path("runs/bayesian_regression"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    problems = [problem(rng) for _ in range(arguments.problems)]
    figure_of(problems[0], 1.0).savefig(arguments.output / "regression.png", dpi=150)
    print("\n".join(block_lines(compared(problems, rng))))


if __name__ == "__main__":
    main()
