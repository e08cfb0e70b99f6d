"""How much faster are particles than a grid at equal accuracy, and from which dimension on?

A standard Gaussian of n = 1, 2, 3 dimensions at one slope. Blahut–Arimoto runs on
finer and finer grids; the grid that first meets the accuracy gives its time. The
same for Wasserstein gradient descent and its number of particles. Accuracy is the
excess of J over the exact one, of J on fresh samples for the particles; Blahut–
Arimoto stops at a certificate of a tenth of that excess.

    python experiments/wasserstein_speed.py [--percent 2]

Every solve is run twice and the second is timed, so that what is compiled once for
a shape is not counted.
"""

import argparse
import time

from rdbound.report.text import markdown_table
from rdbound.sources import Source, make_source
from rdbound.theory import Estimate, Method, make_method

LMBDA = 3.0
GRIDS = {1: (10, 14, 20, 28, 40, 56, 80), 2: (10, 14, 20, 28, 40, 56), 3: (12, 16, 22)}
PARTICLES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)


def first_accurate(source: Source, methods, percent: float):
    """(seconds, method, excess in percent) of the first method that is accurate enough."""
    exact = source.exact(LMBDA).J(LMBDA)
    excess = float("nan")
    for method in methods:
        seconds, estimate = timed(source, method)
        excess = 100 * (estimate.J - exact) / exact
        if excess <= percent:
            return seconds, method, excess
    return None, None, excess


def timed(source: Source, method: Method) -> tuple[float, Estimate]:
    method.solve(source, [LMBDA])
    start = time.perf_counter()
    (estimate,) = method.solve(source, [LMBDA])
    return time.perf_counter() - start, estimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--percent", type=float, default=2.0, help="allowed excess of J")
    parser.add_argument("--dimensions", type=int, nargs="*", default=sorted(GRIDS))
    arguments = parser.parse_args()
    body = []
    for n in arguments.dimensions:
        source = make_source("gaussian", variances=[1.0] * n)
        enough = 0.1 * arguments.percent / 100 * n * source.exact(LMBDA).J(LMBDA)
        grids = [
            make_method("blahut-arimoto", points=p, extent=4.0, tolerance=enough) for p in GRIDS[n]
        ]
        descents = [
            make_method("wasserstein", particles=m, samples=10_000, steps=200, batch=1_000)
            for m in PARTICLES
        ]
        slow, grid, grid_excess = first_accurate(source, grids, arguments.percent)
        fast, descent, excess = first_accurate(source, descents, arguments.percent)
        body.append(
            [
                str(n),
                "none of these" if grid is None else f"{grid.points}^{n}",
                f"{grid_excess:.2f}",
                "" if slow is None else f"{slow:.2f}",
                "none of these" if descent is None else str(descent.particles),
                f"{excess:.2f}",
                "" if fast is None else f"{fast:.2f}",
                "" if slow is None or fast is None else f"{slow / fast:.2g}",
            ]
        )
    header = ["n", "grid", "excess %", "seconds", "particles", "excess %", "seconds", "ratio"]
    print("\n".join(markdown_table(header, body)))


if __name__ == "__main__":
    main()
