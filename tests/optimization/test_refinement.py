import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rdbound.channels import make_channel
from rdbound.models import make_model
from rdbound.objective.datum import image_datum, stack, whole
from rdbound.objective.objective import clip, eight_bit, objective, real
from rdbound.optimization.refinement import STATUS, RefinementOptions, make_optimizer, refine
from rdbound.utils import compilation
from rdbound.utils.progress import Progress
from tests.toy import Successive, Toy


def _setup(form, rng, count=2):
    model = Toy(form=form)
    judge = make_channel("gaussian" if form == "bound" else "rounding")
    images = rng.integers(0, 256, (count, 16, 24, 3), dtype=np.uint8)
    data = [image_datum(image, 8) for image in images]
    batch = stack(data)
    lmbdas = jnp.full(count, 0.02)
    keys = jax.random.split(jax.random.key(1), count)
    variational = jax.vmap(model.infer)(batch.x, lmbdas)
    return model, judge, batch, variational, lmbdas, keys


@pytest.mark.parametrize(
    ("form", "channel", "decode"),
    [
        ("bound", "gaussian", clip),
        ("codec", "sga", eight_bit),
        ("codec", "uniform", eight_bit),
        ("codec", "mixed", eight_bit),
    ],
)
def test_refinement_lowers_the_true_objective(form, channel, decode, rng):
    model, judge, data, variational, lmbdas, keys = _setup(form, rng)
    options = {"start": 1 / 6, "final": 0.5 * np.exp(-5.0)} if channel == "sga" else {}
    solve = refine(
        model,
        make_channel(channel, **options),
        judge,
        decode,
        RefinementOptions(steps=120, learning_rate=0.05, check_every=20),
    )
    refined = solve(data, variational, lmbdas, keys)

    def J(variational):
        fresh = jax.random.split(jax.random.key(77), 64)
        one = lambda d, q, s, k: objective(model, judge, d, k, s, q, decode).J  # noqa: E731
        over = jax.vmap(lambda d, q, s: jax.vmap(lambda k: one(d, q, s, k))(fresh))
        return over(data, variational, lmbdas)

    before, after = J(variational), J(refined.variational)
    error = jnp.sqrt(before.var(1) + after.var(1)) / 8.0
    assert (after.mean(1) < before.mean(1) - 4 * error).all()
    assert refined.trace.shape == (2, 7)
    assert [STATUS[s] for s in refined.status] == ["improved", "improved"]


@pytest.mark.parametrize("form", ["bound", "codec"])
def test_it_never_returns_worse_than_it_was_given(form, rng):
    """With a ruinous learning rate the start is kept, bit for bit."""
    model, judge, data, variational, lmbdas, keys = _setup(form, rng)
    channel = make_channel("gaussian" if form == "bound" else "sga")
    ruin = RefinementOptions(steps=20, learning_rate=50.0, final_learning_rate=50.0, check_every=5)
    refined = refine(model, channel, judge, clip, ruin)(data, variational, lmbdas, keys)
    assert (refined.status != 0).all()
    for a, b in zip(
        jax.tree.leaves(variational), jax.tree.leaves(refined.variational), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_refinement_that_blows_up_is_a_status_not_an_exception(rng):
    model, judge, data, variational, lmbdas, keys = _setup("bound", rng)
    boom = RefinementOptions(steps=10, learning_rate=1e30, final_learning_rate=1e30, check_every=5)
    refined = refine(model, make_channel("gaussian"), judge, clip, boom)(
        data, variational, lmbdas, keys
    )
    assert [STATUS[s] for s in refined.status] == ["the objective stopped being finite"] * 2
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(refined.variational))


def test_images_of_a_batch_do_not_touch_each_other(rng):
    model, judge, data, variational, lmbdas, keys = _setup("bound", rng)
    options = RefinementOptions(steps=10, check_every=5)
    solve = refine(model, make_channel("gaussian"), judge, clip, options)
    both = solve(data, variational, lmbdas, keys)
    first = lambda tree: jax.tree.map(lambda leaf: leaf[:1], tree)  # noqa: E731
    alone = solve(first(data), first(variational), first(lmbdas), first(keys))
    for a, b in zip(jax.tree.leaves(first(both)), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_loop_traces_once_and_reports_progress(rng):
    model, judge, data, variational, lmbdas, keys = _setup("codec", rng)
    traces, seen = [], []

    def counted(x):
        traces.append(1)
        return eight_bit(x)

    class Seen(Progress):
        def update(self, task, done, total, note=""):
            seen.append((task, done, total))

    options = RefinementOptions(steps=25, check_every=10)
    solve = refine(model, make_channel("sga"), judge, counted, options, progress=Seen())
    jax.block_until_ready(solve(data, variational, lmbdas, keys))
    count = len(traces)
    jax.block_until_ready(solve(data, variational, lmbdas + 0.01, keys))
    jax.effects_barrier()
    assert len(traces) == count
    assert set(seen) == {("refining", step, 25) for step in (10, 20, 25)}


def test_more_memory_than_there_is_is_refused_beforehand(rng, monkeypatch):
    model, judge, data, variational, lmbdas, keys = _setup("bound", rng)
    monkeypatch.setattr(compilation, "available_memory", lambda: 1000)
    solve = refine(model, make_channel("gaussian"), judge, clip, RefinementOptions(steps=5))
    with pytest.raises(ValueError, match=r"and 0\.0 GB are free: take a smaller image"):
        solve(data, variational, lmbdas, keys)


def test_a_hierarchical_model_refined_is_never_worse_judged_afresh():
    """Its second posterior goes on following the first sample; J comes down to the truth."""
    lmbda = 2.0
    model = Successive(variance=4.0, first=1.0, lmbda=lmbda, gain=0.6)
    xs = 2.0 * jax.random.normal(jax.random.key(3), (512, 1))
    data = jax.vmap(whole)(xs)
    lmbdas, keys = jnp.full(len(xs), lmbda), jax.random.split(jax.random.key(4), len(xs))
    variational = jax.vmap(model.infer)(xs, lmbdas)
    gaussian = make_channel("gaussian")
    options = RefinementOptions(steps=400, learning_rate=0.05, check_every=50, check_samples=64)
    refined = refine(model, gaussian, gaussian, real, options)(data, variational, lmbdas, keys)

    def J(variational):
        fresh = jax.random.split(jax.random.key(5), 400)
        one = lambda d, e, k: objective(model, gaussian, d, k, lmbda, e).J  # noqa: E731
        return jax.vmap(lambda d, e: jax.vmap(lambda k: one(d, e, k))(fresh))(data, variational)

    before, after = J(variational), J(refined.variational)
    # The noise of this comparison, and of the 64 samples that chose the best.
    noise = jnp.sqrt((before - after).var(1) * (1 / 400 + 1 / 64))
    assert (after.mean(1) - before.mean(1) < 4 * noise + 1e-3).all(), "of no datum"
    # The best posterior of each x given this prior and synthesis is known: gain 1.
    best = J(jax.vmap(Successive(4.0, 1.0, lmbda).infer)(xs, lmbdas)).mean(1)
    excess = after.mean(1) - best
    assert float(excess.mean()) < 0.02
    assert float(excess.mean()) > -4 * float(jnp.std(excess)) / len(xs) ** 0.5 - 1e-3
    assert float((before.mean(1) - best).mean()) > 0.2, "there was something to gain"


def test_only_variational_parameters_move_in_an_autoregressive_posterior(key):
    """The flow that draws the posterior stays as trained: it is in the model."""
    model = make_model("mlp", "bound", 2.0, dimension=3, posterior="autoregressive")
    (variational,) = model.infer(jnp.ones(3), 2.0)
    names = {type(leaf).__name__ for leaf in jax.tree.leaves(variational)}
    assert len(jax.tree.leaves(variational)) == 3, "mean, log-scale, context"
    assert all("Array" in name for name in names)
    xs = jax.random.normal(key, (4, 3))
    data, sampled = jax.vmap(whole)(xs), make_channel("sampled")
    lmbdas, keys = jnp.full(4, 2.0), jax.random.split(key, 4)
    options = RefinementOptions(steps=20, learning_rate=0.05, check_every=10)
    start = jax.vmap(model.infer)(xs, lmbdas)
    refined = refine(model, sampled, sampled, real, options)(data, start, lmbdas, keys)
    assert jax.tree.structure(refined.variational) == jax.tree.structure(start)


@pytest.mark.parametrize(("form", "channel"), [("codec", "mixed"), ("bound", "gaussian")])
def test_the_optimizer_is_an_argument_and_the_noise_of_comparisons_is_common(form, channel, rng):
    """Variational parameters that stand still have the same J every time, by a random channel
    too."""
    model, judge, data, variational, lmbdas, keys = _setup(form, rng)
    options = RefinementOptions(steps=10, check_every=5)
    still = refine(
        model, make_channel(channel), judge, clip, options, optimizer=optax.set_to_zero()
    )
    refined = still(data, variational, lmbdas, keys)
    for a, b in zip(
        jax.tree.leaves(variational), jax.tree.leaves(refined.variational), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert (refined.trace == refined.trace[:, :1]).all()
    assert (refined.status == 1).all(), "nothing is better than itself"


def test_every_step_has_noise_of_its_own(rng):
    """Variational parameters that stand still have another gradient at each step."""
    model, judge, data, variational, lmbdas, keys = _setup("bound", rng, 1)
    seen = []

    def listening(updates, state, params=None):
        jax.debug.callback(lambda g: seen.append(np.array(g)), updates[0].mu)
        return jax.tree.map(jnp.zeros_like, updates), state

    silent = optax.GradientTransformation(lambda params: optax.EmptyState(), listening)
    options = RefinementOptions(steps=6, check_every=3)
    solve = refine(model, make_channel("gaussian"), judge, clip, options, optimizer=silent)
    jax.block_until_ready(solve(data, variational, lmbdas, keys))
    jax.effects_barrier()
    assert len(seen) == 6
    assert len({gradient.tobytes() for gradient in seen}) == 6


def test_the_relaxed_trace_is_J_through_the_channel_of_each_step(rng):
    """The learning rate is so small that the parameters stay: J is the annealed channel's own."""
    model, judge, data, variational, lmbdas, keys = _setup("codec", rng)
    channel = make_channel("sga", start=0.2, final=0.5 * np.exp(-2.0))
    still = RefinementOptions(
        steps=5, learning_rate=1e-12, final_learning_rate=1e-12, check_every=2
    )
    refined = refine(model, channel, judge, eight_bit, still)(data, variational, lmbdas, keys)
    assert refined.relaxed.shape == (2, 3)
    last = [1, 3, 4]  # the steps before the comparisons
    for place in range(2):
        one = jax.tree.map(lambda leaf, p=place: leaf[p], (data, variational))
        noise_key = jax.random.split(keys[place])[0]
        expected = [
            objective(
                model,
                channel.at(i / 5),
                one[0],
                jax.random.fold_in(noise_key, i),
                lmbdas[place],
                one[1],
            ).J
            for i in last
        ]
        np.testing.assert_allclose(refined.relaxed[place], expected, rtol=1e-4)
        np.testing.assert_allclose(refined.trace[place], refined.trace[place, 0], rtol=1e-5)
        assert len(set(np.asarray(refined.relaxed[place]).tolist())) == 3


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("sgd", 0.1 * 2.0),
        ("adam", 0.1),
        ("adamax", 0.1),
        ("rmsprop", 0.1 / 0.1**0.5),
    ],
)
def test_the_options_name_the_optimizer_and_its_cosine(name, first):
    """For a gradient of 2: the first step has the first rate, one after the last the final one."""
    options = RefinementOptions(4, 0.1, 0.001, optimizer=name)
    transform = make_optimizer(options)
    gradient, state = jnp.array(2.0), transform.init(jnp.array(0.0))
    taken = []
    for _ in range(5):
        update, state = transform.update(gradient, state)
        taken.append(-float(update))
    assert taken[0] == pytest.approx(first, rel=1e-4)
    # Momentum and moments of a constant gradient are known.
    scale = {"sgd": (1 - 0.9**5) / (1 - 0.9) * 2.0, "rmsprop": (1 - 0.9**5) ** -0.5}.get(name, 1.0)
    assert taken[4] == pytest.approx(0.001 * scale, rel=1e-4)


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match="unknown optimizer 'adm': choose one of adam"):
        make_optimizer(RefinementOptions(optimizer="adm"))


def test_an_optimizer_may_need_the_parameters(rng):
    """Weight decay alone, at a rate of one, halves all variational parameters in one step."""
    model, evaluation, data, variational, lmbdas, keys = _setup("bound", rng)
    still = optax.chain(optax.scale(0.0), optax.add_decayed_weights(0.5), optax.scale(-1.0))
    options = RefinementOptions(steps=1, check_every=1)
    refined = refine(model, evaluation, evaluation, clip, options, optimizer=still)(
        data, variational, lmbdas, keys
    )
    halved = jax.tree.map(lambda leaf: 0.5 * leaf, variational)
    expected = refine(model, evaluation, evaluation, clip, options, optimizer=optax.set_to_zero())(
        data, halved, lmbdas, keys
    )
    np.testing.assert_allclose(refined.trace[:, 1], expected.trace[:, 0], rtol=1e-4)
