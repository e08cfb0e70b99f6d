"""Does the upper bound grow with the intrinsic or with the ambient dimension?

A random smooth manifold of k dimensions in n. At high rate its R(D) in bits per
*vector* grows by k/2 for every halving of D, whatever n is. A β-VAE is trained at
two slopes and the growth between them is compared with k/2.

    python experiments/manifold_dimension.py [--output FOLDER] [--steps 1500]

Half an hour on one core. Fewer steps overstate the growth: what is not yet learned
costs most at the steeper slope.
"""

import argparse
import itertools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from rdbound.report.document import Table
from rdbound.report.figures.style import STYLE
from rdbound.report.markdown import block_lines
from rdbound.report.write import save_figure
from rdbound.sources import make_source
from rdbound.theory import make_method

INTRINSIC = (1, 2, 4, 8)
AMBIENT = (16, 128, 1000)
# Bits per vector and unit of mean squared error: the same for every n.
SLOPES = (100.0, 1000.0)


def growth(intrinsic: int, ambient: int, steps: int) -> float:
    """Bits per vector gained for every halving of D between the two slopes."""
    source = make_source("manifold", intrinsic=intrinsic, dimension=ambient)
    method = make_method(
        "neural-upper",
        latent=2 * intrinsic,
        hidden=(256, 256),
        learning_rate=3e-3,
        steps=steps * (1 + intrinsic),
        test=20_000,
    )
    low, high = method.solve(source, [slope / ambient for slope in SLOPES])
    return ambient * (high.rate - low.rate) / np.log2(low.distortion / high.distortion)


def draw(found: dict[tuple[int, int], float]) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(INTRINSIC, np.array(INTRINSIC) / 2, color="black", lw=1, label="k/2")
        for n, marker, colour in zip(
            AMBIENT, "osD", ("#0072B2", "#E69F00", "#009E73"), strict=True
        ):
            values = [found[k, n] for k in INTRINSIC]
            axes.plot(
                INTRINSIC, values, ls="", marker=marker, color=colour, mfc="none", label=f"n = {n}"
            )
        axes.set_xlabel("intrinsic dimension k")
        axes.set_ylabel("bits per vector per halving of D")
        axes.legend(frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="runs/manifold_dimension")
    parser.add_argument("--steps", type=int, default=1500, help="of training, times 1 + k")
    arguments = parser.parse_args()
    found = {}
    for k, n in itertools.product(INTRINSIC, AMBIENT):
        found[k, n] = growth(k, n, arguments.steps)
        print(f"k = {k}, n = {n}: {found[k, n]:.2f}", flush=True)
    body = [[str(k), f"{k / 2:g}", *(f"{found[k, n]:.2f}" for n in AMBIENT)] for k in INTRINSIC]
    print("\n".join(block_lines(Table(["k", "k/2", *(f"n = {n}" for n in AMBIENT)], body))))
    paths = save_figure(draw(found), Path(arguments.output) / "manifold_dimension")
    print(f"wrote {paths[0]}")


if __name__ == "__main__":
    main()
