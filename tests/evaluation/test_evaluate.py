import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.coding import Codec
from rdbound.evaluation.evaluate import evaluate, fitting
from rdbound.evaluation.evaluator import EVALUATION, REFINEMENT, Evaluator, PartProgress
from rdbound.evaluation.examples import ImageExamples, VectorExamples
from rdbound.evaluation.options import EvaluationOptions, chosen_methods
from rdbound.evaluation.plan import lmbdas_of, make_plan, row_keys
from rdbound.evaluation.reconstructions import Pictures
from rdbound.images.sets import ImageSet
from rdbound.methods import Method
from rdbound.models import make_model
from rdbound.objective.datum import image_datum, whole
from rdbound.objective.objective import clip, eight_bit, objective
from rdbound.ops.distributions import Gaussian
from rdbound.optimization.refinement import RefinementOptions, refine
from rdbound.sources import make_source
from rdbound.utils.compilation import TooLargeError
from rdbound.utils.progress import Progress
from tests.toy import SPEC, Toy

QUICK = RefinementOptions(steps=4, check_every=2)


def _keyed(images, index, lmbda):
    plan = make_plan(_checkpoint("bound"), images, EvaluationOptions((lmbda,)))
    return Evaluator(plan).keyed((index,), lmbda)


class Seen(Progress):
    """Progress that is remembered."""

    def __init__(self):
        self.updates = []

    def update(self, task, done, total, note=""):
        self.updates.append((task, done, total, note))


@pytest.fixture
def images(rng):
    pixels = [rng.integers(0, 256, size, dtype=np.uint8) for size in ((16, 24, 3), (9, 19, 3))]
    return ImageExamples(ImageSet("noise", ("one", "two"), lambda i: pixels[i]))


def _checkpoint(form):
    return Checkpoint(Toy(form=form), {}, None, "toy")


def test_a_bounds_row_is_the_mean_of_the_objective_over_fresh_noise(images):
    model = Toy(form="bound")
    options = EvaluationOptions(lmbdas=(0.02,), samples=16, methods=("bound",))
    rows = list(evaluate(_checkpoint("bound"), images, options))
    assert [r.method for r in rows] == ["bound", "bound"]
    for row, image in zip(rows, (images.images[0], images.images[1]), strict=True):
        datum = image_datum(image, 8)
        keys = jax.random.split(jax.random.key(123), 400)
        one = lambda k, d=datum: objective(model, make_channel("gaussian"), d, k, 0.02, decode=clip)  # noqa: E731
        J = np.asarray(jax.jit(jax.vmap(one))(keys).J)
        error = np.hypot(row.J_se, J.std() / np.sqrt(len(J)))
        assert abs(row.J - J.mean()) < 4 * error
        # The standard error itself, within the spread of a deviation of 16.
        assert 0.4 < row.J_se / (J.std() / 4) < 1.8
        assert row.pixels == image.shape[0] * image.shape[1]
        assert pytest.approx(row.bpp + 0.02 * row.mse) == row.J


class Hierarchical(Toy):
    """The posterior of y is centred on what was conveyed of z."""

    def posterior(self, level, latents, variational, lmbda):
        if level == 0:
            return variational
        return variational._replace(mu=variational.mu + jnp.tile(latents[0], 4))


def test_a_hierarchical_inference_is_averaged_over_its_upper_latents(images):
    model = Hierarchical(form="bound")
    options = EvaluationOptions(lmbdas=(0.02,), samples=64)
    row, *_ = evaluate(Checkpoint(model, {}, None, "toy"), images, options)
    keys = jax.random.split(jax.random.key(5), 400)
    datum = image_datum(images.images[0], 8)
    one = lambda k: objective(model, make_channel("gaussian"), datum, k, 0.02, decode=clip).J  # noqa: E731
    J = np.asarray(jax.vmap(one)(keys))
    assert abs(row.J - J.mean()) < 4 * np.hypot(row.J_se, J.std() / np.sqrt(len(J)))


def test_rows_of_a_codec(images):
    options = EvaluationOptions(lmbdas=(0.02, 0.05), refine=QUICK)
    rows = list(evaluate(_checkpoint("codec"), images, options))
    assert len(rows) == 2 * 2 * 6
    assert all(r.bits == 8 * r.bytes for r in rows if r.bytes is not None)
    assert all(r.steps == (4 if "refined" in r.method else 0) for r in rows)
    assert all(r.ms_ssim is None for r in rows), "these images are too small for MS-SSIM"
    J = {r.key: r.J for r in rows}
    for dataset, image, model, lmbda, method in J:
        if method == "codec-refined-ideal":
            assert J[dataset, image, model, lmbda, method] <= J[
                dataset, image, model, lmbda, "codec-ideal"
            ] * (1 + 1e-6)


def test_refinement_and_evaluation_never_share_noise(images):
    """Of two examples, two purposes and two λ no two keys are alike."""
    keys = []
    for lmbda in (0.02, 0.03):
        of = _keyed(images, 0, lmbda), _keyed(images, 1, lmbda)
        purposes = (REFINEMENT, EVALUATION)
        keys += [jax.random.key_data(k.keys(p)).tobytes() for k in of for p in purposes]
    assert len(set(keys)) == 8


def test_a_refinement_that_stands_still_has_the_row_of_the_amortized_bound(images):
    """Both have the same noise, so that their gap is a paired difference."""
    still = RefinementOptions(2, 1e-12, 1e-12, check_every=1)
    methods = ("bound", "bound-refined")
    options = EvaluationOptions((0.02, 0.03), samples=2, refine=still, methods=methods)
    J = {r.key[1:]: r.J for r in evaluate(_checkpoint("bound"), images, options)}
    for image, model, lmbda, method in J:
        if method == "bound-refined":
            plain = J[image, model, lmbda, "bound"]
            assert J[image, model, lmbda, method] == pytest.approx(plain, rel=1e-6)
    assert len(set(J.values())) >= 4, "images and λ have noise of their own"


def test_row_keys_are_those_of_the_rows_in_their_order():
    source = make_source("gaussian", variances=[1.0, 0.5])
    examples = VectorExamples("gaussian", source, 40, 5, 0)
    model = make_model("mlp", "bound", (0.5, 4.0), dimension=2, hidden=())
    options = EvaluationOptions((1.0, 3.0), samples=1, batch=2)
    plan = make_plan(Checkpoint(model, {}, None, "linear"), examples, options)
    keys = [key for task in plan.tasks for key in row_keys(plan, task)]
    assert keys == [row.key for row in evaluate(plan.checkpoint, examples, options)]
    assert plan.units == 10


class Limited(ImageExamples):
    """Examples of which more than two at a time need too much memory."""

    def groups(self, stride, limit):
        return [tuple(range(len(self)))]

    def batch(self, indexes, stride):
        tried.append(len(indexes))
        if len(indexes) > 2:
            raise TooLargeError("too large", 0.5)
        return super().batch(indexes, stride)


tried = []


def test_a_batch_of_its_own_choice_takes_as_many_as_fit(rng):
    """What did not fit at the first λ is not tried at the second; rows are the same."""
    pixels = rng.integers(0, 256, (5, 16, 24, 3), dtype=np.uint8)
    images = ImageSet("noise", tuple("abcde"), lambda i: pixels[i])
    options = EvaluationOptions(lmbdas=(0.02, 0.03), samples=2, methods=("bound",))
    checkpoint = _checkpoint("bound")
    one_by_one = {r.key: r.J for r in evaluate(checkpoint, ImageExamples(images), options)}
    tried.clear()
    own, seen = dataclasses.replace(options, batch="auto"), Seen()
    rows = evaluate(checkpoint, Limited(images), own, progress=seen)
    found = {r.key: r.J for r in rows}
    assert tried == [5, 2, 2, 1, 2, 2, 1]
    assert found == {key: pytest.approx(J, rel=1e-5) for key, J in one_by_one.items()}
    assert [update[1] for update in seen.updates] == [0, 5, 10]
    with pytest.raises(TooLargeError, match="too large"):
        list(evaluate(checkpoint, Limited(images), dataclasses.replace(options, batch=5)))


@pytest.mark.parametrize(
    ("count", "share", "devices", "fits"),
    [
        (8, 0.9, 1, 7),
        (8, 0.999, 4, 4),
        (3, 0.1, 4, 1),
        (64, 0.5, 8, 32),
        (64, 0.99999, 1, 63),
    ],
)
def test_fewer_examples_for_all_devices_alike(count, share, devices, fits):
    assert fitting(count, share, devices) == fits


def test_of_its_own_choice_a_cpu_takes_one_a_device():
    assert EvaluationOptions(None, batch="auto").together == len(jax.devices())
    assert EvaluationOptions(None, batch=7).together == 7


class Mixed(nnx.Module):
    """x̂ = A·z of a z with the prior N(0, I)."""

    stride, form, lmbda_range = 1, "bound", (2.0, 2.0)
    matrix = np.array(
        [[1.5, 1.0, 0.0, 0.5], [0.0, 1.2, -0.8, 0.0], [0.6, 0.0, 1.4, 1.0], [0.0, 0.4, 0.0, 1.3]]
    )

    def __init__(self):
        self.shift = nnx.Param(jnp.zeros(4))

    def infer(self, x, lmbda):
        return (Gaussian(jnp.asarray(np.linalg.pinv(self.matrix), jnp.float32) @ x, jnp.zeros(4)),)

    def prior(self, level, latents, lmbda):
        return Gaussian(jnp.zeros(4), jnp.zeros(4))

    def synthesize(self, latents, lmbda):
        return jnp.asarray(self.matrix, jnp.float32) @ latents[0] + self.shift[...]


def test_a_coupled_posterior_wins_what_the_posterior_of_a_linear_model_says():
    """Of four elements it is the full Gaussian. With P = I + 2·ln 2·λ·AᵀA the best posterior
    has the covariance P⁻¹, the best factorized one the variances 1/P_ii: J differs by
    (Σ ln P_ii − ln det P) / (2·4·ln 2) bits a dimension, whatever x is."""
    lmbda, names = 2.0, ("bound", "bound-refined", "bound-refined-coupled")
    precision = np.eye(4) + 2 * np.log(2) * lmbda * Mixed.matrix.T @ Mixed.matrix
    gap = (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / (8 * np.log(2))
    refinement = RefinementOptions(
        steps=1500, learning_rate=0.05, final_learning_rate=1e-4, check_every=500, check_samples=32
    )
    options = EvaluationOptions(lmbdas=(lmbda,), samples=256, refine=refinement, methods=names)
    source = make_source("gaussian", variances=[1.0] * 4)
    examples = VectorExamples("gaussian", source, 48, 12, 0)
    rows = list(evaluate(Checkpoint(Mixed(), {}, None, "mixed"), examples, options))
    J = {name: np.array([r.J for r in rows if r.method == name]) for name in names}
    won = J["bound-refined"] - J["bound-refined-coupled"]  # a block's, of the same noise
    error = won.std(ddof=1) / 12**0.5
    assert error < 0.05 * gap
    assert abs(won.mean() - gap) < 4 * error


class Constant:
    """A source that says the same vector every time."""

    dimension, distortion = 2, "squared"

    def sample(self, key, count):
        return jnp.tile(jnp.array([0.5, -1.0]), (count, 1))


def test_members_of_a_block_have_noise_of_their_own():
    """Of equal vectors only the noise differs: J and its error are those of independent draws."""
    model = make_model("mlp", "bound", 2.0, dimension=2, hidden=())
    examples = VectorExamples("constant", Constant(), 1000, 2, 0)
    options = EvaluationOptions(lmbdas=(2.0,), samples=1, methods=("bound",))
    rows = list(evaluate(Checkpoint(model, {}, None, "linear"), examples, options))
    datum, gaussian = whole(jnp.array([0.5, -1.0])), make_channel("gaussian")
    one = lambda k: objective(model, gaussian, datum, k, 2.0).J  # noqa: E731
    J = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(7), 4000)))
    for row in rows:
        assert abs(row.J - J.mean()) < 4 * np.hypot(J.std() / 500**0.5, J.std() / 4000**0.5)
        assert row.J_se == pytest.approx(J.std() / 500**0.5, rel=0.2)
    assert rows[0].J != rows[1].J


THROUGH = {"bound": "gaussian", "codec": "sga"}
JUDGE = {"bound": (make_channel("gaussian"), clip), "codec": (make_channel("rounding"), eight_bit)}
# Enough for the rounded latents to be other ones.
FIRM = RefinementOptions(steps=40, learning_rate=0.1, final_learning_rate=0.1, check_every=20)
COLD = {"sga": {"start": 5 / 40, "final": 0.5 * np.exp(-0.2 * 35)}}


@pytest.mark.parametrize(
    ("form", "plain", "moved"),
    [
        ("bound", "bound", "bound-refined"),
        ("codec", "codec-ideal", "codec-refined-ideal"),
    ],
)
def test_rows_are_the_objective_on_the_keys_of_evaluation(images, form, plain, moved):
    """A refined row is J of the refined variational parameters, all levels, on noise refinement
    never saw."""
    model, (judge, decode) = Toy(form=form), JUDGE[form]
    options = EvaluationOptions(
        lmbdas=(0.02,), samples=4, refine=FIRM, surrogates=COLD, methods=(plain, moved)
    )
    rows = {(r.image, r.method): r for r in evaluate(_checkpoint(form), images, options)}
    surrogate = make_channel(THROUGH[form], **COLD.get(THROUGH[form], {}))
    solve = refine(model, surrogate, judge, decode, FIRM)
    run = jax.jit(lambda d, e, k: objective(model, judge, d, k, 0.02, e, decode))
    for place, name in enumerate(images.names):
        of = _keyed(images, place, 0.02)
        datum = jax.tree.map(lambda leaf: leaf[0, 0], of.batch.data)
        start = jax.jit(model.infer)(datum.x, 0.02)
        one = lambda tree: jax.tree.map(lambda leaf: leaf[None], tree)  # noqa: E731
        refined = solve(one(datum), one(start), jnp.full(1, 0.02), of.keys(0)[0])
        variational = jax.tree.map(lambda leaf: leaf[0], refined.variational)
        for method, known in ((plain, start), (moved, variational)):
            keys = jax.random.split(of.keys(1)[0, 0], 4)
            terms = [run(datum, known, k) for k in keys]
            levels = np.mean([[float(b) for b in t.bits] for t in terms], axis=0)
            assert rows[name, method].bits == pytest.approx(levels.sum(), rel=1e-4)
            assert levels.min() > 1e-2 * levels.sum(), "no level is free"
            mse = np.mean([float(t.distortion) for t in terms])
            assert rows[name, method].mse == pytest.approx(mse, rel=1e-4)
            assert (
                pytest.approx(levels.sum() / rows[name, method].pixels + 0.02 * mse, rel=1e-4)
                == rows[name, method].J
            )
        assert rows[name, moved].J < 0.99 * rows[name, plain].J, "refinement has moved it"


def test_the_real_output_is_that_of_the_symbols_that_the_8_bit_output_is_of(images):
    """Bits are the same; D is of the reconstruction before and after its rounding."""
    model, refinement = Toy(), RefinementOptions(steps=4, check_every=2)
    methods = ("codec-refined-ideal", "codec-refined-real")
    options = EvaluationOptions(lmbdas=(0.02,), refine=refinement, methods=methods)
    found = evaluate(_checkpoint("codec"), images, options)
    ideal, real = next(found), next(r for r in found if r.method == methods[1])
    assert (ideal.image, real.image) == ("one", "one")
    of = _keyed(images, 0, 0.02)
    datum = jax.tree.map(lambda leaf: leaf[0, 0], of.batch.data)
    one = lambda tree: jax.tree.map(lambda leaf: leaf[None], tree)  # noqa: E731
    rounding = make_channel("rounding")
    solve = refine(model, make_channel("sga"), rounding, eight_bit, refinement)
    start = one(model.infer(datum.x, 0.02))
    refined = solve(one(datum), start, jnp.full(1, 0.02), of.keys(0)[0]).variational
    variational = jax.tree.map(lambda leaf: leaf[0], refined)
    run = jax.jit(lambda e: objective(model, rounding, datum, jax.random.key(0), 0.02, e).x_hat)
    original = of.batch.originals[0].astype(np.float64)
    x_hat = 255 * np.clip(np.asarray(run(variational), np.float64), 0, 1)
    assert real.bits == ideal.bits
    assert real.mse == pytest.approx(np.mean((x_hat - original) ** 2), rel=1e-5)
    assert ideal.mse == pytest.approx(np.mean((np.round(x_hat) - original) ** 2), rel=1e-5)
    assert abs(real.mse / ideal.mse - 1) > 1e-5, "there is a difference to see"
    assert pytest.approx(real.bpp + 0.02 * real.mse, rel=1e-12) == real.J


@pytest.mark.parametrize("method", ["codec-refined-real", "codec-refined-ideal"])
def test_refinement_is_evaluated_alike_whatever_was_chosen(images, method):
    """By the 8-bit output, the codec's own: rows do not depend on the methods beside them."""
    refine = RefinementOptions(6, 0.1, 0.1, check_every=2)
    alone = EvaluationOptions(lmbdas=(0.02,), refine=refine, methods=(method,))
    (group,) = make_plan(_checkpoint("codec"), images, alone).groups
    assert group.evaluated_by.name == "codec-refined-ideal"
    both = dataclasses.replace(alone, methods=("codec-refined-real", "codec-refined-ideal"))
    rows = list(evaluate(_checkpoint("codec"), images, alone))
    beside = [r for r in evaluate(_checkpoint("codec"), images, both) if r.method == method]
    assert rows == beside


def test_coded_rows_are_the_files(images, tmp_path):
    """bits = 8·bytes = bpp·pixels = the size of the kept file; its MSE is that of the ideal row."""
    options = EvaluationOptions(lmbdas=(0.02,), refine=FIRM, surrogates=COLD)
    found = list(evaluate(_checkpoint("codec"), images, options, tmp_path))
    rows = {(r.image, r.method): r for r in found}
    codec = Codec(Toy())
    for (name, method), row in rows.items():
        if row.bytes is None:
            continue
        data = (tmp_path / "toy" / f"{name}_0.02_{method}.rdb").read_bytes()
        assert row.bits == 8 * row.bytes == 8 * len(data)
        assert row.bpp * row.pixels == pytest.approx(row.bits, rel=1e-12)
        image = images.images[images.names.index(name)]
        mse = np.mean((codec.decode(data).datum.astype(float) - image) ** 2)
        assert row.mse == pytest.approx(mse, rel=1e-12)
        assert pytest.approx(row.bpp + 0.02 * row.mse, rel=1e-12) == row.J
        ideal = rows[name, method.replace("coded", "ideal")]
        # A pixel may fall on the other side of a rounding boundary, no more than one.
        assert ideal.mse == pytest.approx(row.mse, rel=5e-5), "8 bits on both sides"
        assert ideal.bits < row.bits < ideal.bits * 1.02 + 8 * 60
    for name in images.names:
        plain, moved = (rows[name, m] for m in ("codec-coded", "codec-refined-coded"))
        assert abs(moved.mse / plain.mse - 1) > 1e-2, "other symbols, and so another file"


class SeenPictures(Pictures):
    """Pictures that are remembered."""

    def keep(self, model, method, image, lmbda, original, decoded):
        kept[model, method, image, lmbda] = original, decoded


kept = {}


@pytest.mark.parametrize(("form", "method"), [("codec", "codec-coded"), ("bound", "bound")])
def test_pictures_are_what_was_decoded(images, tmp_path, form, method):
    """Of the images and at the λ that are wanted, and of one method."""
    kept.clear()
    seen = SeenPictures(tmp_path, frozenset({"two"}), 0.02)
    options = EvaluationOptions((0.01, 0.02), samples=1, pictures=seen)
    rows = {
        (r.image, r.lmbda, r.method): r
        for r in evaluate(_checkpoint(form), images, options, tmp_path)
    }
    assert list(kept) == [("toy", method, "two", 0.02)]
    ((original, decoded),) = kept.values()
    np.testing.assert_array_equal(original, images.images[1])
    assert decoded.dtype == np.uint8
    mse = np.mean((decoded.astype(float) - original) ** 2)
    assert mse == pytest.approx(rows["two", 0.02, method].mse, rel=1e-3)
    if form == "codec":
        data = (tmp_path / "toy" / f"two_0.02_{method}.rdb").read_bytes()
        np.testing.assert_array_equal(decoded, Codec(Toy()).decode(data).datum)


@pytest.mark.parametrize(
    ("form", "rung"),
    [
        pytest.param("bound", "bound-layered", marks=pytest.mark.slow),
        ("codec", "codec-dithered"),
    ],
)
def test_bytes_and_pixels_of_a_stochastic_coder_are_those_of_its_channel(rng, form, rung):
    """One draw against the mean of many: within four standard deviations of a draw."""
    images = ImageExamples(ImageSet("noise", ("one",), lambda i: pixels))
    pixels = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    samples = 12
    options = EvaluationOptions(
        lmbdas=(0.02,), samples=samples, methods=(f"{rung}-ideal", f"{rung}-coded")
    )
    ideal, coded = evaluate(_checkpoint(form), images, options)
    assert [ideal.method, coded.method] == [f"{rung}-ideal", f"{rung}-coded"]
    assert (ideal.samples, coded.samples, ideal.bytes) == (samples, 1, None)
    assert coded.bits == 8 * coded.bytes
    draw = 4 * ideal.J_se * samples**0.5
    header = 8 * 60 / coded.pixels
    assert -draw < coded.J - ideal.J < draw + header + 0.01 * ideal.bpp
    assert abs(coded.mse / ideal.mse - 1) < 0.1
    channel = make_channel({"bound": "layered", "codec": "uniform"}[form])
    model, datum = Toy(form=form), image_datum(pixels, 8)

    def one(key):
        return objective(model, channel, datum, key, 0.02, decode=eight_bit).J

    J = np.asarray(jax.vmap(one)(jax.random.split(jax.random.key(9), 60)))
    assert abs(ideal.J - J.mean()) < 4 * np.hypot(ideal.J_se, J.std() / 60**0.5)


def test_relative_entropy_coding_has_rows_of_its_own(rng):
    pixels = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    images = ImageExamples(ImageSet("noise", ("one",), lambda i: pixels))
    methods = ("bound-rec-ideal", "bound-rec-coded")
    options = EvaluationOptions(lmbdas=(0.02,), samples=8, methods=methods)
    ideal, coded = evaluate(_checkpoint("bound"), images, options)
    assert coded.bits == 8 * coded.bytes
    assert 0.0 < coded.bits - ideal.bits < 0.15 * ideal.bits + 8 * 60
    assert abs(coded.mse / ideal.mse - 1) < 0.2
    codec = Codec(Toy("bound"), coder="rec")
    assert coded.bytes == len(codec.encode(pixels, 0.02).data)


def test_bits_back_pays_what_its_file_has_beside_the_side_information(rng):
    pixels = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    images = ImageExamples(ImageSet("noise", ("one",), lambda i: pixels))
    methods = ("codec-bits-back-ideal", "codec-bits-back-coded", "codec-coded")
    options = EvaluationOptions(lmbdas=(0.02,), samples=16, methods=methods)
    ideal, coded, rounded = evaluate(_checkpoint("codec"), images, options)
    side = rng.bytes(5000)
    codec = Codec(Toy("codec"), coder="bits-back")
    data = codec.encode(pixels, 0.02, side=side).data
    assert abs(coded.bytes - (len(data) - 5000)) < 0.05 * coded.bytes
    assert coded.bits == 8 * coded.bytes
    # z is inferred for ŷ: it costs less than what the network says of x, and than rounding it.
    draw = 4 * ideal.J_se * 16**0.5
    assert ideal.J + draw + 0.01 * ideal.bpp + 8 * 120 / coded.pixels > coded.J
    decoded = codec.decode(data).datum
    assert coded.mse == pytest.approx(np.mean((decoded.astype(float) - pixels) ** 2))
    assert rounded.mse != coded.mse


def test_other_relaxations_are_refined_through_and_evaluated_by_rounding(images):
    methods = (
        "codec-ideal",
        "codec-bits-back-ideal",
        "codec-bits-back-refined-ideal",
        "codec-bits-back-refined-coded",
        "codec-refined-uniform-ideal",
        "codec-refined-soft-ideal",
    )
    cold = {"sga": {"start": 5 / 60, "final": 0.5 * np.exp(-5.5)}}
    refine = RefinementOptions(60, 0.05, 0.01, check_every=20)
    options = EvaluationOptions(
        lmbdas=(0.02,), samples=4, methods=methods, surrogates=cold, refine=refine
    )
    rows = {
        r.method: r
        for r in evaluate(_checkpoint("codec"), images, options)
        if r.image == images.names[0]
    }
    assert set(rows) == set(methods)
    for name in methods[4:]:
        assert rows[name].J < rows["codec-ideal"].J
        assert rows[name].steps == 60
    refined = rows["codec-bits-back-refined-ideal"]
    noise = 4 * np.hypot(refined.J_se, rows["codec-bits-back-ideal"].J_se)
    assert rows["codec-bits-back-ideal"].J + noise > refined.J


def test_without_eight_bits_the_ideal_row_would_be_another(images):
    """What the test above can tell apart: clipped reconstructions have another MSE."""
    options = EvaluationOptions(lmbdas=(0.02,), methods=("codec-ideal",))
    rounding = make_channel("rounding")
    for row, place in zip(evaluate(_checkpoint("codec"), images, options), (0, 1), strict=True):
        datum = image_datum(images.images[place], 8)
        run = jax.jit(lambda d: objective(Toy(), rounding, d, jax.random.key(0), 0.02, decode=clip))
        assert abs(float(run(datum).distortion) / row.mse - 1) > 1e-4


def _marked(rows, *names):
    """Rows of these methods with a J that no evaluation gives."""
    return [dataclasses.replace(row, J=-1.0) for row in rows if row.method in names]


def test_a_batch_is_known_only_where_all_of_its_rows_are(images):
    options = EvaluationOptions(lmbdas=(0.02,), samples=2, methods=("bound", "floor"))
    rows = list(evaluate(_checkpoint("bound"), images, options))
    assert [r.method for r in rows] == ["bound", "floor"] * 2
    part = _marked(rows, "bound")
    assert list(evaluate(_checkpoint("bound"), images, options, known=part)) == rows
    every = _marked(rows, "bound", "floor")
    assert list(evaluate(_checkpoint("bound"), images, options, known=every)) == every
    first = list(evaluate(_checkpoint("bound"), images, options, known=every[:2]))
    assert first == every[:2] + rows[2:]


def test_the_floor_is_the_distortion_of_the_means(images):
    model = Toy(form="bound")
    options = EvaluationOptions(lmbdas=(0.02,), methods=("floor",))
    for row, image in zip(
        evaluate(_checkpoint("bound"), images, options),
        (images.images[0], images.images[1]),
        strict=True,
    ):
        x = image_datum(image, 8).x
        x_hat = model.synthesize([q.mu for q in model.infer(x, 0.02)], 0.02)
        mse = np.mean((255 * np.clip(x_hat, 0, 1)[: image.shape[0], : image.shape[1]] - image) ** 2)
        assert row.mse == pytest.approx(mse, rel=1e-4)
        assert (row.bits, row.J_se) == (0.0, None)


def test_a_row_does_not_hang_on_what_stands_before_it_in_the_folder(images):
    options = EvaluationOptions((0.01,), 3, methods=("bound",))
    both = list(evaluate(_checkpoint("bound"), images, options))
    two = ImageExamples(ImageSet("noise", ("two",), lambda i: images.images[1]))
    (alone,) = evaluate(_checkpoint("bound"), two, options)
    assert alone == next(row for row in both if row.image == "two")


def test_an_image_too_small_for_the_distortion_is_refused_before_anything_is_done(images):
    spec = SPEC | {"form": "bound", "distortion": {"name": "ms-ssim"}}
    checkpoint = Checkpoint(Toy(form="bound"), spec, None, "toy")
    with pytest.raises(ValueError, match="one is 24×16; the distortion of toy needs 161 pixels"):
        make_plan(checkpoint, images, EvaluationOptions((0.01,)))


def test_methods_can_be_chosen(images):
    options = EvaluationOptions(lmbdas=(0.02,), methods=("codec-ideal",))
    assert [m.name for m in chosen_methods("codec", options)] == ["codec-ideal"]
    assert [r.method for r in evaluate(_checkpoint("codec"), images, options)] == [
        "codec-ideal"
    ] * 2
    with pytest.raises(ValueError, match="unknown method 'codec-idael'"):
        chosen_methods("codec", EvaluationOptions(lmbdas=None, methods=("codec-idael",)))


def test_another_distortion_is_what_J_counts(images):
    """λ multiplies the checkpoint's own distortion; the table keeps its MSE beside it."""
    spec = {"distortion": {"name": "squared-error", "options": {"peak": 1.0}}}
    checkpoint = Checkpoint(Toy(), spec, None, "toy")
    plain = Checkpoint(Toy(), {}, None, "toy")
    options = EvaluationOptions(lmbdas=(0.02,))
    for row, other in zip(
        evaluate(checkpoint, images, options), evaluate(plain, images, options), strict=True
    ):
        assert row.mse == pytest.approx(other.mse, rel=1e-6)
        assert pytest.approx(row.bpp + 0.02 * row.mse / 255**2, rel=1e-5) == row.J


def test_a_lambda_outside_the_range_is_an_error(images):
    options = EvaluationOptions(lmbdas=(0.02, 0.5))
    with pytest.raises(ValueError, match=r"λ = 0.5 is outside the model's range, 0.001 to 0.1"):
        next(evaluate(_checkpoint("bound"), images, options))


def test_the_lambda_of_a_fixed_rate_model_is_its_own(images):
    fixed = Checkpoint(Toy(form="bound", lmbda_range=(0.03, 0.03)), {}, None, "toy")
    rows = list(evaluate(fixed, images, EvaluationOptions(lmbdas=None, samples=2)))
    assert {r.lmbda for r in rows} == {0.03}
    with pytest.raises(ValueError, match="holds a value twice"):
        next(evaluate(_checkpoint("bound"), images, EvaluationOptions(lmbdas=(0.02, 0.02))))


@pytest.mark.parametrize(
    ("serves", "taken"),
    [
        ((0.001, 0.1), (0.0018, 0.0054, 0.0162, 0.0483)),
        ((0.0054, 0.02), (0.0054, 0.0162)),
        ((0.0483, 7.0), (0.0483,)),
        ((0.5, 0.5), (0.5,)),
    ],
)
def test_without_lambdas_those_that_a_checkpoint_serves_are_taken(serves, taken):
    toy = Checkpoint(Toy(form="bound", lmbda_range=serves), {}, None, "toy")
    assert lmbdas_of(toy, None) == taken


def test_a_range_without_any_of_the_usual_lambdas_asks_for_some():
    toy = Checkpoint(Toy(form="bound", lmbda_range=(0.5, 4.0)), {}, None, "toy")
    with pytest.raises(ValueError, match=r"toy serves λ from 0.5 to 4, none of 0.0018, .*: give"):
        lmbdas_of(toy, None)


def test_progress_is_reported_and_failures_are_warned_of(images, caplog):
    seen = Seen()
    options = EvaluationOptions(
        lmbdas=(0.02,),
        refine=RefinementOptions(
            steps=4, check_every=2, learning_rate=1e30, final_learning_rate=1e30
        ),
    )
    with caplog.at_level(logging.WARNING, "rdbound"):
        rows = list(evaluate(_checkpoint("bound"), images, options, progress=seen))
    jax.effects_barrier()
    assert seen.updates[0] == ("toy", 0, 2, "")
    assert seen.updates[-1] == ("toy", 2, 2, "")
    steps = {done for _, done, _, note in seen.updates if "refining" in note}
    assert steps == {0.5, 1.0, 1.5, 2.0}, "two comparisons of each image"
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0] == "noise/one, λ = 0.02: the objective stopped being finite"
    assert all(jnp.isfinite(r.J) for r in rows)


def test_the_progress_of_a_part_is_a_share_of_the_whole():
    seen = Seen()
    part = PartProgress(seen, "evaluating", 10, done=4, size=2)
    part.update("refining", 30, 40)
    part.note = "model: refining a"
    part.update("refining", 40, 40)
    part.update("refining", 0, 0)
    assert seen.updates == [
        ("evaluating", 5.5, 10, "refining"),
        ("evaluating", 6.0, 10, "model: refining a"),
        ("evaluating", 6.0, 10, "model: refining a"),
    ]


def test_a_record_of_ones_own_is_evaluated_with_the_options_of_its_coder(rng):
    pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
    images = ImageExamples(ImageSet("noise", ("one",), lambda i: pixels))
    own = [
        Method(
            f"dithered-{seed}",
            "coded",
            "codec",
            "uniform",
            "eight-bit",
            coder="dithered",
            coder_options={"seed": seed},
        )
        for seed in (1, 2)
    ]
    options = EvaluationOptions((0.02,), methods=(*own, "codec-coded"))
    rows = {r.method: r for r in evaluate(_checkpoint("codec"), images, options)}
    assert list(rows) == ["codec-coded", "dithered-1", "dithered-2"]
    for seed in (1, 2):
        codec = Codec(Toy(), coder="dithered", seed=seed)
        decoded = codec.decode(codec.encode(pixels, 0.02).data).datum.astype(float)
        mse = np.mean((decoded - pixels) ** 2)
        assert rows[f"dithered-{seed}"].mse == pytest.approx(mse, rel=1e-12)
    assert rows["dithered-1"].mse != rows["dithered-2"].mse


def test_surrogates_have_the_options_that_are_given(images):
    """A record of one's own refines through any channel; an unknown option is named."""
    own = Method("map", "ideal", "codec", "rounding", "eight-bit", surrogate="annealed")
    options = EvaluationOptions(
        (0.02,), refine=QUICK, methods=(own,), surrogates={"annealed": {"start": 0.5}}
    )
    (group,) = make_plan(_checkpoint("codec"), images, options).groups
    assert group.surrogate == make_channel("annealed", start=0.5)
    assert group.evaluated_by == own
    wrong = dataclasses.replace(options, surrogates={"annealed": {"decay": 0.5}})
    with pytest.raises(ValueError, match="decay"):
        _ = make_plan(_checkpoint("codec"), images, wrong).groups


def test_a_sampled_bound_has_the_mean_of_the_closed_form(images):
    """Refined through its own channel too: a sampled rate, and no name that means another."""
    refine = RefinementOptions(40, 0.05, 0.01, check_every=20, check_samples=16)
    names = ("bound", "bound-sampled", "bound-sampled-refined")
    options = EvaluationOptions((0.02,), samples=400, refine=refine, methods=names)
    rows = {(r.image, r.method): r for r in evaluate(_checkpoint("bound"), images, options)}
    for image in images.names:
        plain, sampled, moved = (rows[image, name] for name in names)
        error = np.hypot(plain.J_se, sampled.J_se)
        assert abs(plain.J - sampled.J) < 4 * error
        assert abs(sampled.bits / plain.bits - 1) > 1e-4, "its rate is sampled"
        assert sampled.J - 4 * np.hypot(moved.J_se, sampled.J_se) > moved.J


@pytest.mark.parametrize("method", ["bound-prior-scaled", "bound-layered-ideal"])
def test_a_channel_that_pools_positions_sees_the_image_alone(rng, method):
    """Its scales are fitted to the latents of the padded image, not to those of a larger array."""
    model = make_model("res-hyper-1", "bound", 0.0067)
    image = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    examples = ImageExamples(ImageSet("noise", ("one",), lambda i: image))
    options = EvaluationOptions((0.0067,), samples=2, methods=(method,))
    checkpoint = Checkpoint(model, {}, None, "small")
    (row,) = evaluate(checkpoint, examples, options)
    keyed = Evaluator(make_plan(checkpoint, examples, options)).keyed((0,), 0.0067)
    assert keyed.data.x.shape[2:4] != keyed.batch.data.x.shape[2:4], "the array is larger"
    channel = make_channel(method.removeprefix("bound-").removesuffix("-ideal"))
    datum = image_datum(image, model.stride)
    run = jax.jit(lambda key: objective(model, channel, datum, key, 0.0067).bpp)
    keys = jax.random.split(keyed.keys(EVALUATION)[0, 0], 2)
    assert row.bpp == pytest.approx(np.mean([float(run(key)) for key in keys]), rel=1e-3)
