"""Which learning rate should refinement have, for how many steps?

Three photographs (or crops of them) are refined at one λ with every number of steps, each
with a cosine of its own length, and every rate. Judged is J with noise that no refinement
saw: by how many per cent it is below the amortized one, mean over the photographs ± its
standard error.

    python experiments/refinement_rate.py [--images 3] [--lmbda 0.0067]
"""

import argparse
from dataclasses import replace

import numpy as np

from rdbound.checkpoints.checkpoint import load
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import ImageExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.images.sets import open_images
from rdbound.optimization.refinement import RefinementOptions
from rdbound.report.document import Table
from rdbound.report.markdown import block_lines

RATES = (2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2)
STEPS = (50, 100, 300, 1000)


def gains(checkpoint, examples, lmbda: float, steps: int, rate: float) -> np.ndarray:
    """Per cent of J that refinement takes off, an image each."""
    refine = RefinementOptions(steps=steps, learning_rate=rate, check_every=25)
    options = EvaluationOptions(
        (lmbda,), samples=8, refine=refine, methods=("bound", "bound-refined")
    )
    J = {(row.image, row.method): row.J for row in evaluate(checkpoint, examples, options)}
    return np.array(
        [100.0 * np.log(J[name, "bound"] / J[name, "bound-refined"]) for name in examples.names]
    )


def main() -> None:
    """Refine and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="res-hyper-4-bound")
    parser.add_argument("--lmbda", type=float, default=0.0067)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--source", default="bundled-crops")
    parser.add_argument("--path", help="of the source's files")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    arguments = parser.parse_args()
    checkpoint = replace(load(arguments.checkpoint), name=arguments.checkpoint)
    images = open_images(arguments.source, arguments.path).take(arguments.images)
    examples = ImageExamples(images)
    rows = []
    for rate in arguments.rates:
        cells = [f"{rate:g}"]
        for steps in arguments.steps:
            found = gains(checkpoint, examples, arguments.lmbda, steps, rate)
            error = found.std(ddof=1) / len(found) ** 0.5
            cells.append(f"{found.mean():.2f} ± {error:.2f}")
            print(f"rate {rate:g}, {steps} steps: {cells[-1]} %", flush=True)
        rows.append(cells)
    header = ("learning rate", *(f"{steps} steps: −J, %" for steps in arguments.steps))
    print("\n".join(block_lines(Table(header, rows))))


if __name__ == "__main__":
    main()
