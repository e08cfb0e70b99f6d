import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.channels import make_channel
from rdbound.checkpoint import Checkpoint
from rdbound.evaluation import EvaluationOptions, evaluate
from rdbound.objective import clip, objective
from rdbound.refinement import RefinementOptions
from rdbound.images.sets import ImageSet
from rdbound.images.files import to_datum
from tests.toy import Toy


@pytest.fixture
def images(rng):
    pixels = [rng.integers(0, 256, size, dtype=np.uint8) for size in ((16, 24, 3), (9, 11, 3))]
    return ImageSet("noise", ("one", "two"), lambda i: pixels[i])


def _checkpoint(form):
    return Checkpoint(Toy(form=form), {}, None, "toy")


def test_a_bounds_row_is_the_mean_of_the_objective_over_fresh_noise(images):
    model = Toy(form="bound")
    options = EvaluationOptions(lmbdas=(0.02,), samples=16)
    rows = list(evaluate(_checkpoint("bound"), images, options))
    assert [r.method for r in rows] == ["bound", "bound"]
    for row, image in zip(rows, (images[0], images[1]), strict=True):
        datum = to_datum(image, 8)
        keys = jax.random.split(jax.random.key(123), 400)
        one = lambda k, d=datum: objective(model, make_channel("gaussian"), d, k, 0.02, decode=clip)  # noqa: E731
        J = np.asarray(jax.vmap(one)(keys).J)
        error = np.hypot(row.J_se, J.std() / np.sqrt(len(J)))
        assert abs(row.J - J.mean()) < 4 * error
        # The standard error itself, within the spread of a deviation of 16.
        assert 0.4 < row.J_se / (J.std() / 4) < 1.8
        assert row.pixels == image.shape[0] * image.shape[1]
        assert pytest.approx(row.bpp + 0.02 * row.mse) == row.J


class Hierarchical(Toy):
    """The posterior of y is centred on what was conveyed of z."""

    def infer(self, x, lmbda):
        z, y = super().infer(x, lmbda)
        return z, lambda latents: y._replace(mu=y.mu + jnp.tile(latents[0], 4))


def test_a_hierarchical_inference_is_averaged_over_its_upper_latents(images):
    model = Hierarchical(form="bound")
    options = EvaluationOptions(lmbdas=(0.02,), samples=64)
    row, _ = evaluate(Checkpoint(model, {}, None, "toy"), images, options)
    keys = jax.random.split(jax.random.key(5), 400)
    datum = to_datum(images[0], 8)
    one = lambda k: objective(model, make_channel("gaussian"), datum, k, 0.02, decode=clip).J  # noqa: E731
    J = np.asarray(jax.vmap(one)(keys))
    assert abs(row.J - J.mean()) < 4 * np.hypot(row.J_se, J.std() / np.sqrt(len(J)))


def test_rows_of_a_codec(images):
    options = EvaluationOptions(
        lmbdas=(0.02, 0.05), refine=RefinementOptions(steps=4, check_every=2)
    )
    rows = list(evaluate(_checkpoint("codec"), images, options))
    assert len(rows) == 2 * 2 * 4
    assert all(r.bits == 8 * r.bytes for r in rows if r.bytes is not None)
    assert all(r.steps == (4 if "refined" in r.method else 0) for r in rows)
    assert all(r.ms_ssim is None for r in rows), "these images are too small for MS-SSIM"
    J = {r.key: r.J for r in rows}
    for dataset, image, model, lmbda, method in J:
        if method == "codec-refined-ideal":
            assert J[dataset, image, model, lmbda, method] <= J[
                dataset, image, model, lmbda, "codec-ideal"] * (1 + 1e-6)  # fmt: skip


def test_refinement_and_evaluation_never_share_noise(images):
    from rdbound.evaluation import _Batch

    batch = _Batch(images, [0], 8, 0.02, seed=0)
    other = _Batch(images, [1], 8, 0.02, seed=0)
    keys = [jax.random.key_data(k).tobytes() for b in (batch, other)
            for k in (b.refine_keys, b.fresh_keys)]  # fmt: skip
    assert len(set(keys)) == 4


def test_a_lambda_outside_the_range_is_an_error(images):
    options = EvaluationOptions(lmbdas=(0.02, 0.5))
    with pytest.raises(ValueError, match=r"λ = 0.5 is outside the model's range, 0.001 to 0.1"):
        next(evaluate(_checkpoint("bound"), images, options))


def test_the_lambda_of_a_fixed_rate_model_is_its_own(images):
    fixed = Checkpoint(Toy(form="bound", lmbda_range=(0.03, 0.03)), {}, None, "toy")
    rows = list(evaluate(fixed, images, EvaluationOptions(lmbdas=None, samples=2)))
    assert {r.lmbda for r in rows} == {0.03}
    with pytest.raises(ValueError, match="variable rate: give lmbdas"):
        next(evaluate(_checkpoint("bound"), images, EvaluationOptions(lmbdas=None)))
    with pytest.raises(ValueError, match="holds a value twice"):
        next(evaluate(_checkpoint("bound"), images, EvaluationOptions(lmbdas=(0.02, 0.02))))


def test_progress_is_reported_and_failures_are_told(images, monkeypatch):
    seen, told = [], []
    options = EvaluationOptions(lmbdas=(0.02,), refine=RefinementOptions(
        steps=4, check_every=2, learning_rate=1e30, final_learning_rate=1e30))  # fmt: skip
    rows = list(evaluate(_checkpoint("bound"), images, options,
                         progress=lambda *a: seen.append(a), warn=told.append))  # fmt: skip
    assert ("toy λ=0.02", 2, 2) in seen
    assert len(told) == 2
    assert "stopped being finite" in told[0]
    assert all(jnp.isfinite(r.J) for r in rows)
