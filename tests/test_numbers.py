"""Rows of the shipped checkpoints against a table that was computed before.

A change of the code that moves one of these numbers is either a mistake or belongs in the change
log. The table holds both crops at λ = 0.0067 by most methods, with four steps of refinement.
"""

from pathlib import Path

import pytest
import skimage.data

from rdbound.checkpoints.checkpoint import load
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import ImageExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.images.sets import ImageSet
from rdbound.optimization.refinement import RefinementOptions
from rdbound.tables.rd import read_table

ROWS = read_table(Path(__file__).parent / "golden" / "rows.csv")
CROPS = {
    "astronaut.png": lambda: skimage.data.astronaut()[:64, 128:192],
    "chelsea.png": lambda: skimage.data.chelsea()[40:105, 90:180],
}
LMBDA = 0.0067
REFINE = RefinementOptions(steps=4, learning_rate=0.02, check_every=2)
# A temperature of 0.5 for a quarter of the steps, then falling to 0.5·exp(−1.8).
SURROGATES = {"sga": {"start": 0.25, "final": 0.08264944411079328}}
AMORTIZED = {"bound", "floor", "codec-ideal", "codec-coded"}


def _assert_same(model, images, methods):
    """Evaluate a checkpoint and compare every number; bytes may differ by a guard's entry."""
    examples = ImageExamples(ImageSet("images", images, lambda i: CROPS[images[i]]()))
    refine = REFINE if any("refined" in method for method in methods) else None
    options = EvaluationOptions(
        (LMBDA,), samples=2, refine=refine, methods=tuple(sorted(methods)), surrogates=SURROGATES
    )
    found = {(row.image, row.method): row for row in evaluate(load(model), examples, options)}
    known = [r for r in ROWS if r.model == model and r.image in images and r.method in methods]
    assert set(found) == {(row.image, row.method) for row in known}
    for row in known:
        new = found[row.image, row.method]
        assert new.bits == pytest.approx(row.bits, rel=5e-3), row.method
        assert new.mse == pytest.approx(row.mse, rel=5e-3), row.method
        assert pytest.approx(row.J, rel=2e-3) == new.J, row.method


@pytest.mark.parametrize("model", ["res-hyper-4-bound", "res-hyper-4-codec"])
def test_amortized_rows_are_those_of_the_table(model):
    known = {row.method for row in ROWS if row.model == model}
    _assert_same(model, ("astronaut.png",), known & AMORTIZED)


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted({row.model for row in ROWS}))
def test_rows_of_all_methods_are_those_of_the_table(model):
    _assert_same(model, tuple(CROPS), {row.method for row in ROWS if row.model == model})
