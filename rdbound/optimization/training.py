"""Weights: J averaged over a data set, minimized.

``init`` and ``make_step`` are pure; ``fit`` is the one loop around them, with
its files: Orbax checkpoints, ``metrics.jsonl`` and TensorBoard events.

    model = make_model("mlp", form="bound", lmbda=2.0, dimension=2, hidden=())
    source = make_source("gaussian", variances=(1.0, 4.0))
    model = fit(model, make_channel("gaussian"), Stream(source, 512, 0),
                TrainingOptions(steps=3000, batch=512), Path("runs/example"))

The noise of a step is that of its number, the data that of the iterator's state: a
run that is killed and started again takes the steps it would have taken.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from rdbound.channels import Channel
from rdbound.models.base import LatentModel
from rdbound.objective.datum import whole
from rdbound.objective.distortion import Distortion, SquaredError
from rdbound.objective.objective import objective
from rdbound.optimization.multihost import placed, together
from rdbound.optimization.training_options import TrainingOptions, optimizer
from rdbound.optimization.training_state import CHECKPOINTS, Checkpoints, Metrics
from rdbound.utils.compilation import ahead

__all__ = [
    "NonFiniteLossError",
    "TrainState",
    "batch_loss",
    "fit",
    "init",
    "make_step",
]


class TrainState(NamedTuple):
    """All that training carries: a pytree, and the whole of a checkpoint.

    Attributes:
      params: the weights.
      ema: their exponential moving average.
      opt_state: of optax.
      step: how many were taken, int32; also what the step's noise is keyed by.
      failed_at: −1, or the first step whose loss or gradient was not finite; from
        then on the weights stay what they were.
    """

    params: dict
    ema: dict
    opt_state: optax.OptState
    step: jax.Array
    failed_at: jax.Array


class NonFiniteLossError(ValueError):
    """The loss stopped being finite; the message names the step and the last checkpoint.

    ``model`` has the averaged weights of that checkpoint, the initial ones where there is none.
    """

    def __init__(self, message: str, model: LatentModel):
        super().__init__(message)
        self.model = model


def init(
    params: dict, options: TrainingOptions, transform: optax.GradientTransformation | None = None
) -> TrainState:
    """The state before the first step. The average starts as a copy of ``params``.

    Args:
      params: the weights.
      options: hyperparameters.
      transform: of the gradient, as given to :func:`make_step`.

    All is copied: the step donates its state's buffers, and the caller's
    weights outlive them.
    """
    return TrainState(
        params=jax.tree.map(jnp.copy, params),
        ema=jax.tree.map(jnp.copy, params),
        opt_state=(transform or optimizer(options)).init(params),
        step=jnp.zeros((), jnp.int32),
        failed_at=jnp.full((), -1, jnp.int32),
    )


def draw_lmbdas(key: jax.Array, count: int, lmbda_range: tuple[float, float]) -> jax.Array:
    """``count`` values of λ, each log-uniform in the range, jointly stratified: [count].

    One falls into each of ``count`` equal parts of the range of log λ, in random order:
    every batch has its low and its high rates, and the gradient less noise.
    """
    low, high = lmbda_range
    place_key, order_key = jax.random.split(key)
    place = (jnp.arange(count) + jax.random.uniform(place_key, (count,))) / count
    return low * (high / low) ** jax.random.permutation(order_key, place)


def batch_loss(
    model: Any,
    channel: Channel,
    batch: jax.Array,
    key: jax.Array,
    balance: float,
    distortion: Distortion = SquaredError(),  # noqa: B008 (frozen)
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean weighted J of a batch, and its parts.

        loss = mean of (λ/λ₀)^−balance · J(λ),  λ₀ = √(low·high)

    Every datum has its own λ and its own noise. In a fixed-rate model all weights are 1.

    Args:
      model: the latent model.
      channel: what it is trained through.
      batch: uint8 [B, H, W, 3] or float32 [B, n].
      key: of the draws of λ and of the channel's noise.
      balance: see :class:`TrainingOptions`.
      distortion: see :func:`rdbound.objective.objective.objective`.

    Returns (loss, {"J", "bpp", "distortion"}), each a scalar mean over the batch.
    """
    x = batch.astype(jnp.float32) / 255.0 if batch.dtype == jnp.uint8 else batch
    lmbda_key, noise_key = jax.random.split(key)
    low, high = model.lmbda_range
    lmbdas = draw_lmbdas(lmbda_key, len(x), (low, high))
    keys = jax.random.split(noise_key, len(x))

    def one(x, key, lmbda):
        terms = objective(model, channel, whole(x), key, lmbda, distortion=distortion)
        return {name: getattr(terms, name) for name in ("J", "bpp", "distortion")}

    terms = jax.vmap(one)(x, keys, lmbdas)
    weights = (lmbdas / math.sqrt(low * high)) ** -balance
    means = {name: value.mean() for name, value in terms.items()}
    return jnp.mean(weights * terms["J"]), means


def make_step(
    graphdef: nnx.GraphDef,
    channel: Channel,
    options: TrainingOptions,
    distortion: Distortion = SquaredError(),  # noqa: B008 (frozen)
    devices: Sequence[jax.Device] | None = None,
    transform: optax.GradientTransformation | None = None,
) -> tuple[Callable, NamedSharding, NamedSharding]:
    """The compiled training step, data-parallel over ``devices``.

    Args:
      graphdef: of the model.
      channel: what it is trained through.
      options: hyperparameters.
      distortion: see :func:`rdbound.objective.objective.objective`.
      devices: all visible ones by default.
      transform: of the gradient, in place of the optimizer that ``options`` mean.

    Returns ``step(state, batches, key) → (state, metrics)`` and the two shardings, of the
    state and of the batches: one batch, or as many as ``options.steps_per_call`` on a new
    leading axis where that is above 1, with a step for each. The state's buffers are
    donated. Metrics are scalars of the last step: ``loss``, ``J``, ``bpp``, ``distortion``
    and ``gradient_norm`` before clipping.
    Where one of loss and norm is not finite the step changes no weight, and no step after
    it does: nothing is waited for on the host until the next log.
    Raises ValueError where the batch cannot be divided among the devices.
    """
    devices = jax.devices() if devices is None else devices
    if options.batch % len(devices):
        raise ValueError(
            f"training.options.batch is {options.batch}, "
            f"not a multiple of the {len(devices)} devices"
        )
    mesh = jax.sharding.Mesh(np.asarray(devices), ("data",))
    replicated = NamedSharding(mesh, PartitionSpec())
    several = options.steps_per_call > 1
    split = NamedSharding(mesh, PartitionSpec(None, "data") if several else PartitionSpec("data"))
    transform = transform or optimizer(options)

    def step(state: TrainState, batch, key):
        def loss_of(params):
            model = nnx.merge(graphdef, params)
            step_key = jax.random.fold_in(key, state.step)
            annealed = channel.at(state.step / options.steps)
            return batch_loss(model, annealed, batch, step_key, options.balance, distortion)

        (loss, means), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        norm = optax.tree.norm(gradient)
        metrics = {"loss": loss, **means, "gradient_norm": norm}
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        return _advanced(state, gradient, finite, transform, options.ema), metrics

    def steps(state: TrainState, batches, key):
        state, metrics = jax.lax.scan(lambda s, batch: step(s, batch, key), state, batches)
        return state, jax.tree.map(lambda values: values[-1], metrics)

    called = steps if several else step
    compiled = jax.jit(called, donate_argnums=0, out_shardings=(replicated, replicated))
    return compiled, replicated, split


def _advanced(
    state: TrainState,
    gradient: dict,
    finite: jax.Array,
    transform: optax.GradientTransformation,
    ema: float,
) -> TrainState:
    """The state after a step; once a loss was not ``finite``, the same weights for good."""
    updates, opt_state = transform.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # The average of the first steps forgets the start.
    decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
    average = optax.incremental_update(params, state.ema, 1.0 - decay)
    good = finite & (state.failed_at < 0)
    keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(good, a, b), new, old)  # noqa: E731
    failed_at = jnp.where(good | (state.failed_at >= 0), state.failed_at, state.step)
    return TrainState(
        keep(params, state.params),
        keep(average, state.ema),
        keep(opt_state, state.opt_state),
        state.step + 1,
        failed_at,
    )


def fit(
    model: LatentModel,
    channel: Channel,
    batches: Iterator[Any],
    options: TrainingOptions,
    folder: Path,
    seed: int = 0,
    distortion: Distortion = SquaredError(),  # noqa: B008 (frozen)
    held_out: np.ndarray | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: Callable[[int, dict[str, float]], None] = lambda step, metrics: None,
    warn: Callable[[str], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> LatentModel:
    """Train, resuming from the newest checkpoint in ``folder``, and return the averaged model.

    Args:
      model: the latent model with its initial weights.
      channel: what it is trained through.
      batches: an iterator of arrays with ``get_state()`` and ``set_state()``.
      options: hyperparameters.
      folder: of ``checkpoints/``, ``metrics.jsonl`` and TensorBoard events.
      seed: of the noise and the draws of λ.
      distortion: see :func:`rdbound.objective.objective.objective`.
      held_out: a batch that is never trained on; J of the averaged weights on
        it, always with the same noise and the same λ, is in the metrics of every
        checkpoint's step as ``held_out_J``.
      devices: defaults to all visible ones.
      progress: called with (step, metrics) at every log.
      warn: told of a checkpoint that cannot be read, and is put aside for an older one.
      say: told how many steps are left and what memory they take, before the first.

    A run killed at any moment and started again ends with the same weights,
    bit for bit on a CPU. Several processes (:mod:`rdbound.optimization.multihost`) all call this
    alike. Raises :class:`NonFiniteLossError`, at the next log or checkpoint, and ValueError as
    :func:`make_step`.
    """
    graphdef, state = nnx.split(model)
    step, replicated, split = make_step(graphdef, channel, options, distortion, devices)
    key = jax.jit(lambda: jax.random.key(seed), out_shardings=replicated)()
    watch = (
        None
        if held_out is None
        else _watcher(graphdef, channel, options.steps, distortion, held_out)
    )
    clock = time.monotonic()
    with Checkpoints(folder / CHECKPOINTS, warn) as checkpoints:

        def restored() -> TrainState:
            """The newest checkpoint; the start where there is none."""
            return checkpoints.restore(init(nnx.to_pure_dict(state), options), batches)

        def last_good() -> LatentModel:
            return _averaged(graphdef, state, restored())

        carry = placed(restored(), replicated)
        done, each, program = int(carry.step), options.steps_per_call, None
        with Metrics(folder, done) as log:
            for taken in range(done + each, options.steps + each, each):
                # A call returns before it is done: what comes next is cut and sent meanwhile.
                batch = placed(_batches(batches, each), split)
                if program is None:
                    program = _compiled(step, (carry, batch, key), options, done, say)
                carry, metrics = program(carry, batch, key)
                saves = taken == options.steps or taken % options.checkpoint_every == 0
                if saves or taken % options.log_every == 0:
                    _raise_if_failed(carry, checkpoints, last_good)
                    values = {name: float(value) for name, value in metrics.items()}
                    values["seconds"] = time.monotonic() - clock
                    if saves and watch is not None:
                        values["held_out_J"] = watch(carry)
                    log.write(taken, values)
                    progress(taken, values)
                if saves:
                    checkpoints.save(taken, carry, batches)
    return _averaged(graphdef, state, carry)


def _compiled(
    step: Callable,
    arguments: tuple,
    options: TrainingOptions,
    done: int,
    say: Callable[[str], None],
) -> Callable:
    """The step's program; says what is to be done, and in how much memory."""
    with together():
        program, gigabytes = ahead(step, *arguments, advice="a smaller training.options.batch")
    memory = "" if gigabytes is None else f"; training takes {gigabytes:.2g} GB of memory"
    say(f"{options.steps - done} of {options.steps} steps, {options.batch} data each{memory}")
    return program


def _batches(batches: Iterator[Any], count: int) -> Any:
    """The next batch, or ``count`` of them on a new leading axis where that is above 1."""
    return next(batches) if count == 1 else np.stack([next(batches) for _ in range(count)])


def _watcher(
    graphdef: nnx.GraphDef,
    channel: Channel,
    steps: int,
    distortion: Distortion,
    held_out: np.ndarray,
) -> Callable[[TrainState], float]:
    """J of the averaged weights on a batch, with noise and λ that stay the same."""

    @jax.jit
    def J(ema, step):
        model = nnx.merge(graphdef, ema)
        annealed, key = channel.at(step / steps), jax.random.key(0)
        return batch_loss(model, annealed, held_out, key, 0.0, distortion)[1]["J"]

    return lambda carry: float(J(carry.ema, carry.step))


def _averaged(graphdef, state, carry: TrainState) -> LatentModel:
    nnx.replace_by_pure_dict(state, jax.device_get(carry.ema))
    return nnx.merge(graphdef, state)


def _raise_if_failed(carry: TrainState, checkpoints, last_good: Callable) -> None:
    failed_at = int(carry.failed_at)
    if failed_at < 0:
        return
    checkpoints.wait()
    raise NonFiniteLossError(
        f"the loss stopped being finite at step {failed_at}; the last good checkpoint is "
        f"{checkpoints.newest() or 'none, only the start'}",
        last_good(),
    )
