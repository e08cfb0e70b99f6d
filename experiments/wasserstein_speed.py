"""How much faster are particles than a grid at equal accuracy, and from which dimension on?

Standard Gaussians of n = 1, 2, 3 dimensions and the noisy circle, each at one slope.
Blahut–Arimoto runs on finer and finer grids, Wasserstein gradient descent with more
and more particles, until J is within the accuracy of the exact one: J on fresh samples
for the particles; Blahut–Arimoto stops at a certificate of a tenth of the accuracy.
The time at just that accuracy is interpolated (in logarithms) between the first run
that has it and the one before, because grids come in large steps of cost.

    python experiments/wasserstein_speed.py [--percent 2] [CASE ...]

Every solve is run once, so that what is compiled once for a shape is not counted,
and then three times, of which the fastest counts.
"""

import argparse
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rdbound.report.document import Table
from rdbound.report.markdown import block_lines
from rdbound.sources import Source, make_source
from rdbound.theory import Estimator, make_method

REPEATS = 3
PARTICLES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class Case(NamedTuple):
    """A source, the slope, and the grids tried (points a dimension)."""

    source: str
    options: dict
    lmbda: float
    grids: tuple[int, ...]


CASES = {
    "gaussian-1": Case("gaussian", {"variances": [1.0]}, 3.0, (10, 14, 20, 28, 40, 56, 80)),
    "gaussian-2": Case("gaussian", {"variances": [1.0] * 2}, 3.0, (10, 14, 20, 28, 40, 56)),
    "circle": Case("circle", {"noise": 0.3}, 8.1, (10, 14, 20, 28, 40, 56)),
    "gaussian-3": Case("gaussian", {"variances": [1.0] * 3}, 3.0, (10, 12, 16, 20, 22)),
}


class Run(NamedTuple):
    """A method, its excess of J in percent, and its seconds."""

    method: Estimator
    excess: float
    seconds: float


def until_accurate(source: Source, lmbda: float, methods: Sequence, percent: float) -> list[Run]:
    """The runs up to the first that is accurate enough, or all."""
    exact = source.exact(lmbda).J(lmbda)
    runs = []
    for method in methods:
        method.solve(source, [lmbda])
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            (estimate,) = method.solve(source, [lmbda])
            seconds.append(time.perf_counter() - start)
        runs.append(Run(method, 100 * (estimate.J - exact) / exact, min(seconds)))
        if runs[-1].excess <= percent:
            break
    return runs


def seconds_at(runs: list[Run], percent: float) -> float:
    """The time at just that excess; of the first run where it is enough; NaN if none is."""
    last = runs[-1]
    if last.excess > percent:
        return float("nan")
    if len(runs) == 1 or last.excess <= 0:
        return last.seconds
    before = runs[-2]
    ends = np.log([last.excess, before.excess])
    times = np.log([last.seconds, before.seconds])
    return float(np.exp(np.interp(np.log(percent), ends, times)))


def row(name: str, case: Case, percent: float) -> list[str]:
    source = make_source(case.source, **case.options)
    n, exact = source.dimension, source.exact(case.lmbda).J(case.lmbda)
    enough = 0.1 * percent / 100 * n * exact
    grids = [
        make_method("blahut-arimoto", points=p, extent=4.0, tolerance=enough, compare=False)
        for p in case.grids
    ]
    descents = [
        make_method("wasserstein", particles=m, samples=10_000, steps=200, batch=1_000)
        for m in PARTICLES
    ]
    slow = until_accurate(source, case.lmbda, grids, percent)
    fast = until_accurate(source, case.lmbda, descents, percent)
    seconds = seconds_at(slow, percent), seconds_at(fast, percent)
    return [
        name,
        f"{slow[-1].method.points}^{n}",
        f"{slow[-1].excess:.2f}",
        f"{seconds[0]:.2f}",
        str(fast[-1].method.particles),
        f"{fast[-1].excess:.2f}",
        f"{seconds[1]:.2f}",
        f"{seconds[0] / seconds[1]:.2g}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--percent", type=float, default=2.0, help="allowed excess of J")
    parser.add_argument(
        "cases",
        nargs="*",
        default=list(CASES),
        metavar="CASE",
        help=f"of {', '.join(CASES)}; default: all",
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.cases if name not in CASES]
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}: choose of {', '.join(CASES)}")
    body = [row(name, CASES[name], arguments.percent) for name in arguments.cases]
    header = ["source", "grid", "excess %", "seconds", "particles", "excess %", "seconds", "ratio"]
    print("\n".join(block_lines(Table(header, body))))


if __name__ == "__main__":
    main()
