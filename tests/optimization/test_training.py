import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.models import make_model
from rdbound.objective.datum import whole
from rdbound.objective.objective import objective
from rdbound.optimization.training import NonFiniteLossError, TrainingProblem, fit
from rdbound.optimization.training_options import TrainingOptions, schedule
from rdbound.optimization.training_step import batch_loss, draw_lmbdas, init, make_step
from rdbound.sources.base import Stream
from rdbound.sources.gaussian import GaussianSource

ROOT = Path(__file__).parents[2]


def _mlp(lmbda=2.0, **options):
    return make_model("mlp", "bound", lmbda, dimension=2, **{"hidden": ()} | options)


def _problem(batches, lmbda=2.0, **more):
    return TrainingProblem(_mlp(lmbda), make_channel("gaussian"), batches, **more)


def test_the_schedule_warms_up_holds_and_decays():
    o = TrainingOptions(steps=100, warmup=10, hold=0.5, learning_rate=1.0, final=0.1)
    rate = schedule(o)
    assert float(rate(0)) == 0.0
    assert float(rate(10)) == float(rate(49)) == 1.0
    assert 0.1 < float(rate(75)) < 1.0
    assert float(rate(100)) == pytest.approx(0.1)


def test_lmbdas_are_log_uniform_and_stratified(key):
    low, high = 0.0009, 0.0966
    draws = jnp.concatenate([draw_lmbdas(k, 8, (low, high)) for k in jax.random.split(key, 500)])
    place = np.sort(np.log(draws / low) / np.log(high / low))
    uniform = (np.arange(len(place)) + 0.5) / len(place)
    # Kolmogorov–Smirnov: 1.63/√n is the 1 % point of independent draws.
    assert np.abs(place - uniform).max() < 1.63 / np.sqrt(len(place))
    one = np.sort(np.floor(8 * np.log(draw_lmbdas(key, 8, (low, high)) / low) / np.log(high / low)))
    np.testing.assert_array_equal(one, np.arange(8))


def test_a_datum_weighs_by_a_power_of_its_lambda(key):
    """loss = mean of (λ/λ₀)^−balance · J(λ), λ₀ = √(low·high)."""
    model, low, high = _mlp((0.5, 8.0)), 0.5, 8.0
    batch = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    channel = make_channel("gaussian")
    lmbda_key, noise_key = jax.random.split(key)
    lmbdas = draw_lmbdas(lmbda_key, 6, (low, high))
    one = jax.jit(lambda x, k, lmbda: objective(model, channel, whole(x), k, lmbda).J)
    each = zip(batch, jax.random.split(noise_key, 6), lmbdas, strict=True)
    J = np.array([float(one(*datum)) for datum in each])
    run = jax.jit(lambda balance: batch_loss(model, channel, batch, key, balance))
    for balance in (0.0, 0.5, 1.0):
        loss, means = run(balance)
        expected = np.mean((np.asarray(lmbdas) / 2.0) ** -balance * J)
        assert float(loss) == pytest.approx(expected, rel=1e-5)
        assert float(means["J"]) == pytest.approx(J.mean(), rel=1e-5)


def test_the_average_is_exponential_and_soon_forgets_the_start(key):
    """After step t: d·average + (1 − d)·weights, d = min(ema, (1 + t)/(10 + t))."""
    graphdef, state = nnx.split(_mlp())
    options = TrainingOptions(batch=4, warmup=0, learning_rate=0.1, ema=0.2)
    step, *_ = make_step(graphdef, make_channel("gaussian"), options)
    carry = init(nnx.to_pure_dict(state), options)
    average = [np.array(leaf) for leaf in jax.tree.leaves(carry.params)]
    for t, decay in enumerate((1 / 10, 2 / 11, 0.2, 0.2)):
        carry, _ = step(carry, jnp.ones((4, 2)) * (t + 1), key)
        weights = jax.tree.leaves(jax.device_get(carry.params))
        average = [decay * a + (1 - decay) * w for a, w in zip(average, weights, strict=True)]
        for found, expected in zip(jax.tree.leaves(carry.ema), average, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    moved = max(np.abs(a - w).max() for a, w in zip(average, weights, strict=True))
    assert moved > 0.01, "the weights are not their average"


def test_a_linear_model_reaches_the_gaussian_rate_distortion_function(tmp_path):
    """R(D) = ½·log₂(σ²/D): a trained linear β-VAE is optimal for a Gaussian."""
    variances, lmbda, steps = (1.0, 4.0), 2.0, 3000
    options = TrainingOptions(
        steps=steps,
        batch=512,
        learning_rate=2e-2,
        warmup=20,
        clip=10.0,
        checkpoint_every=steps,
        log_every=1000,
    )
    model = fit(_problem(Stream(GaussianSource(variances), 512, 0), lmbda), options, tmp_path)
    examples = VectorExamples("gaussian", GaussianSource(variances), 200_000, 1, 9)
    settings = EvaluationOptions(lmbdas=(lmbda,), samples=1, methods=("bound",))
    (row,) = evaluate(Checkpoint(model, {}, None, "linear"), examples, settings)
    rate, distortion = GaussianSource(variances).exact(lmbda)
    excess = row.J - (rate + lmbda * distortion)
    assert excess > -4 * row.J_se, "an upper bound must not lie below the truth"
    assert excess < 0.002 + 4 * row.J_se
    assert row.bpp == pytest.approx(0.5 * np.mean(np.log2(np.array(variances) / row.mse)), abs=0.02)


def test_rate_at_slope_is_reverse_water_filling():
    rate, distortion = GaussianSource((4.0, 0.01)).exact(2.0)
    theta = 1 / (4 * np.log(2))
    assert distortion == pytest.approx((theta + 0.01) / 2)
    assert rate == pytest.approx(0.25 * np.log2(4.0 / theta))


@pytest.mark.slow
def test_four_devices_do_what_one_does():
    """In a process of its own: the number of host devices is fixed at start-up."""
    code = """
import jax, numpy as np
from flax import nnx
from rdbound.channels import make_channel
from rdbound.models import make_model
from rdbound.optimization.training_step import init, make_step
from rdbound.optimization.training_options import TrainingOptions
model = make_model("mlp", "bound", [0.5, 4.0], dimension=3)
graphdef, state = nnx.split(model)
out = []
for devices in (jax.devices(), jax.devices()[:1]):
    step, replicated, split = make_step(graphdef, make_channel("gaussian"),
        TrainingOptions(batch=8, warmup=1), devices=devices)
    carry = jax.device_put(init(nnx.to_pure_dict(nnx.split(make_model("mlp", "bound", [0.5, 4.0],
        dimension=3))[1]), TrainingOptions(batch=8, warmup=1)), replicated)
    for i in range(5):
        batch = jax.random.normal(jax.random.key(i), (8, 3))
        carry, metrics = step(carry, jax.device_put(batch, split), jax.random.key(0))
    out.append(jax.device_get(carry.params))
assert len(jax.devices()) == 4
for a, b in zip(*map(jax.tree.leaves, out)):
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)
print("same")
"""
    env = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
    }
    run = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True
    )
    assert run.stdout.strip() == "same", run.stderr[-2000:]


def test_several_steps_a_call_are_the_same_steps(tmp_path):
    """The same weights, the same lines in the log, and the same place to go on from."""

    def trained(each, steps, folder):
        options = TrainingOptions(
            steps=steps,
            batch=16,
            warmup=2,
            hold=1.0,
            checkpoint_every=8,
            log_every=4,
            steps_per_call=each,
        )
        source = Stream(GaussianSource((1.0, 4.0)), 16, 0)
        return fit(_problem(source), options, tmp_path / folder)

    one, four = trained(1, 24, "one"), trained(4, 24, "four")
    trained(4, 8, "cut")
    resumed = trained(4, 24, "cut")
    start = jax.tree.leaves(nnx.to_pure_dict(nnx.split(_mlp())[1]))
    weights = [jax.tree.leaves(nnx.to_pure_dict(nnx.split(m)[1])) for m in (one, four, resumed)]
    moved = 0.0
    for before, *after in zip(start, *weights, strict=True):
        np.testing.assert_allclose(after[0], after[1], rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(after[1], after[2])
        moved = max(moved, float(np.abs(after[0] - before).max()))
    assert moved > 1e-3
    logs = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()]
        for name in ("one", "four")
    ]
    assert [m["step"] for m in logs[0]] == [m["step"] for m in logs[1]] == [4, 8, 12, 16, 20, 24]
    for a, b in zip(*logs, strict=True):
        assert b["J"] == pytest.approx(a["J"], rel=1e-5)


@pytest.mark.parametrize("name", ["steps", "checkpoint_every", "log_every"])
def test_steps_that_are_no_whole_calls_are_refused(name):
    even = {"steps": 40, "checkpoint_every": 20, "log_every": 4}
    with pytest.raises(ValueError, match=f"{name} is 6, not a multiple of steps_per_call, .* 4"):
        TrainingOptions(**(even | {name: 6}), steps_per_call=4)


def test_a_batch_that_cannot_be_divided_is_named():
    graphdef, _ = nnx.split(_mlp())
    devices = jax.devices() * 3
    with pytest.raises(ValueError, match=r"options.batch is 8, not a multiple of the 3 devices"):
        make_step(graphdef, make_channel("gaussian"), TrainingOptions(batch=8), devices=devices)


class Poisoned(Stream):
    """Batches whose twelfth is not a number."""

    def __next__(self):
        batch = super().__next__()
        return batch * jnp.nan if self._drawn == 12 else batch


def test_a_non_finite_loss_stops_and_names_step_and_checkpoint(tmp_path):
    options = TrainingOptions(steps=40, batch=8, checkpoint_every=5, log_every=5)
    with pytest.raises(NonFiniteLossError, match=r"at step 11; .*checkpoints/10") as error:
        fit(_problem(Poisoned(GaussianSource((1.0, 1.0)), 8, 0)), options, tmp_path)
    assert "\n" not in str(error.value)


def test_the_callers_model_outlives_training(tmp_path, key):
    problem = _problem(Stream(GaussianSource((1.0, 1.0)), 4, 0))
    model = problem.model
    before = jax.tree.map(np.array, nnx.split(model)[1])
    options = TrainingOptions(steps=3, batch=4, learning_rate=0.1, warmup=1)
    trained = fit(problem, options, tmp_path)
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(nnx.split(model)[1]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (trained.encoder.layers[0].kernel[...] != model.encoder.layers[0].kernel[...]).any()


def test_after_a_non_finite_step_the_weights_stay(key):
    graphdef, state = nnx.split(_mlp())
    options = TrainingOptions(batch=4, warmup=1)
    step, *_ = make_step(graphdef, make_channel("gaussian"), options)
    carry = init(nnx.to_pure_dict(state), options)
    carry, _ = step(carry, jnp.ones((4, 2)), key)
    good = jax.device_get(carry.params)
    carry, _ = step(carry, jnp.full((4, 2), jnp.nan), key)
    carry, _ = step(carry, jnp.ones((4, 2)), key)
    assert int(carry.failed_at) == 1
    for a, b in zip(jax.tree.leaves(good), jax.tree.leaves(carry.params), strict=True):
        np.testing.assert_array_equal(a, b)


CONFIG = """
output: {output}
model: {{name: mlp, form: bound, lmbda: [0.5, 4.0], options: {{dimension: 2}}}}
training:
  data: {{source: gaussian, options: {{variances: [1.0, 2.0]}}}}
  channel: {{name: gaussian}}
  options: {{steps: 2400, batch: 16, checkpoint_every: 200, log_every: 100}}
"""


def _train(tmp_path, name, *overrides, **kwargs):
    config = tmp_path / f"{name}.yaml"
    config.write_text(CONFIG.format(output=tmp_path / name))
    command = [sys.executable, "-m", "rdbound.cli.main", "train", str(config), *overrides]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, **kwargs)


@pytest.fixture
def heard():
    """Processes hear Ctrl-C; what a shell's "&" started ignores it, and so do its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_killed_run_continues_and_ends_with_the_same_bits(tmp_path):
    whole = _train(tmp_path, "whole")
    cut = _train(tmp_path, "cut")
    saved = tmp_path / "cut" / "checkpoints"
    while cut.poll() is None and not (
        saved.is_dir() and any(p.name.isdigit() for p in saved.iterdir())
    ):
        time.sleep(0.05)
    cut.send_signal(signal.SIGKILL)
    assert cut.wait() == -signal.SIGKILL, "killed before it could finish"
    assert _train(tmp_path, "cut").wait() == 0
    assert whole.wait() == 0
    weights = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("whole", "cut")]
    assert weights[0] == weights[1]
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "metrics.jsonl").open()]
    assert steps == list(range(100, 2401, 100))
    assert list((tmp_path / "cut" / "tensorboard").glob("events*"))


WIDE = "model.options={dimension: 2, hidden: [1024, 1024]}"


@pytest.mark.parametrize(
    "overrides",
    [[WIDE], ["training.options.log_every=1", "training.options.checkpoint_every=1"]],
    ids=["compiling", "saving"],
)
@pytest.mark.usefixtures("heard")
def test_an_interrupted_run_says_so_and_ends_with_130(tmp_path, overrides):
    """While XLA compiles, which goes on in a thread of its own, and between steps and saves."""
    env = os.environ | ({"JAX_COMPILATION_CACHE_DIR": ""} if WIDE in overrides else {})
    run = _train(tmp_path, "run", *overrides, env=env, stderr=subprocess.PIPE)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not (metrics.exists() and (metrics.stat().st_size or WIDE in overrides)):
        assert run.poll() is None
        time.sleep(0.02)
    time.sleep(0.7)
    run.send_signal(signal.SIGINT)
    error = run.communicate(timeout=60)[1].decode()
    assert run.returncode == 130, error
    shown = [line.rpartition("\r")[2] for line in error.split("\n") if line]
    assert shown == ["rdbound: interrupted; start the same command again to go on"]


def test_held_out_data_are_watched_and_not_trained_on(tmp_path):
    """``held_out_J`` is J of the averaged weights on that batch, with the noise of key 0."""
    options = TrainingOptions(steps=20, batch=8, checkpoint_every=10, log_every=20)
    held = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    channel, source = make_channel("gaussian"), GaussianSource((1.0, 1.0))
    problem = _problem(Stream(source, 8, 0), held_out=held)
    model = fit(problem, options, tmp_path / "a")
    lines = [json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").open()]
    assert [line["step"] for line in lines if "held_out_J" in line] == [10, 20]
    _, means = batch_loss(model, channel, held, jax.random.key(0), 0.0)
    assert lines[-1]["held_out_J"] == pytest.approx(float(means["J"]), rel=1e-5)
    plain = fit(_problem(Stream(source, 8, 0)), options, tmp_path / "b")
    for a, b in zip(
        jax.tree.leaves(nnx.split(model)[1]), jax.tree.leaves(nnx.split(plain)[1]), strict=True
    ):
        np.testing.assert_array_equal(a, b)
