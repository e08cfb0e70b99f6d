import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.channels import make_channel
from rdbound.objective import amortized, clip, eight_bit, objective
from rdbound.refinement import STATUS, RefinementOptions, refine
from rdbound.sources.images import to_datum
from tests.toy import Toy


def _setup(form, rng, count=2):
    model = Toy(form=form)
    judge = make_channel("gaussian" if form == "bound" else "rounding")
    images = rng.integers(0, 256, (count, 16, 24, 3), dtype=np.uint8)
    data = [to_datum(image, 8) for image in images]
    batch = jax.tree.map(lambda *x: jnp.stack(x), *data)
    lmbdas = jnp.full(count, 0.02)
    keys = jax.random.split(jax.random.key(1), count)
    posteriors = jax.vmap(lambda d, k, s: amortized(model, judge, d, k, s))(batch, keys, lmbdas)
    return model, judge, batch, posteriors, lmbdas, keys


@pytest.mark.parametrize(("form", "channel", "decode"), [
    ("bound", "gaussian", clip), ("codec", "sga", eight_bit),
    ("codec", "uniform", eight_bit), ("codec", "mixed", eight_bit)])  # fmt: skip
def test_refinement_lowers_the_true_objective(form, channel, decode, rng):
    model, judge, data, posteriors, lmbdas, keys = _setup(form, rng)
    options = {"decay": 0.05, "start": 20} if channel == "sga" else {}
    solve = refine(model, make_channel(channel, **options), judge, decode,
                   RefinementOptions(steps=120, learning_rate=0.05, check_every=20))  # fmt: skip
    refined = solve(data, posteriors, lmbdas, keys)

    def J(posteriors):
        fresh = jax.random.split(jax.random.key(77), 64)
        one = lambda d, q, s, k: objective(model, judge, d, k, s, q, decode).J  # noqa: E731
        over = jax.vmap(lambda d, q, s: jax.vmap(lambda k: one(d, q, s, k))(fresh))
        return over(data, posteriors, lmbdas)

    before, after = J(posteriors), J(refined.posteriors)
    error = jnp.sqrt(before.var(1) + after.var(1)) / 8.0
    assert (after.mean(1) < before.mean(1) - 4 * error).all()
    assert refined.trace.shape == (2, 7)
    assert [STATUS[s] for s in refined.status] == ["improved", "improved"]


@pytest.mark.parametrize("form", ["bound", "codec"])
def test_it_never_returns_worse_than_it_was_given(form, rng):
    """With a ruinous learning rate the start is kept, bit for bit."""
    model, judge, data, posteriors, lmbdas, keys = _setup(form, rng)
    channel = make_channel("gaussian" if form == "bound" else "sga")
    ruin = RefinementOptions(steps=20, learning_rate=50.0, final_learning_rate=50.0, check_every=5)
    refined = refine(model, channel, judge, clip, ruin)(data, posteriors, lmbdas, keys)
    assert (refined.status != 0).all()
    for a, b in zip(jax.tree.leaves(posteriors), jax.tree.leaves(refined.posteriors), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_refinement_that_blows_up_is_a_status_not_an_exception(rng):
    model, judge, data, posteriors, lmbdas, keys = _setup("bound", rng)
    boom = RefinementOptions(steps=10, learning_rate=1e30, final_learning_rate=1e30, check_every=5)
    refined = refine(model, make_channel("gaussian"), judge, clip, boom)(
        data, posteriors, lmbdas, keys
    )
    assert [STATUS[s] for s in refined.status] == ["the objective stopped being finite"] * 2
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(refined.posteriors))


def test_images_of_a_batch_do_not_touch_each_other(rng):
    model, judge, data, posteriors, lmbdas, keys = _setup("bound", rng)
    options = RefinementOptions(steps=10, check_every=5)
    solve = refine(model, make_channel("gaussian"), judge, clip, options)
    both = solve(data, posteriors, lmbdas, keys)
    first = lambda tree: jax.tree.map(lambda leaf: leaf[:1], tree)  # noqa: E731
    alone = solve(first(data), first(posteriors), first(lmbdas), first(keys))
    for a, b in zip(jax.tree.leaves(first(both)), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_loop_traces_once_and_reports_progress(rng):
    model, judge, data, posteriors, lmbdas, keys = _setup("codec", rng)
    traces, seen = [], []

    def counted(x):
        traces.append(1)
        return eight_bit(x)

    options = RefinementOptions(steps=25, check_every=10)
    solve = refine(
        model, make_channel("sga"), judge, counted, options, lambda s: seen.append(int(s))
    )
    jax.block_until_ready(solve(data, posteriors, lmbdas, keys))
    count = len(traces)
    jax.block_until_ready(solve(data, posteriors, lmbdas + 0.01, keys))
    jax.effects_barrier()
    assert len(traces) == count
    assert set(seen) == {10, 20, 25}
