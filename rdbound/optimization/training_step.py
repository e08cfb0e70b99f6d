"""Take one training step: a pure function of the weights, the optimizer's state and a batch."""

import math
from collections.abc import Callable, Sequence
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
from rdbound.optimization.training_options import TrainingOptions, optimizer

__all__ = ["TrainState", "batch_loss", "draw_lmbdas", "init", "make_step"]


class TrainState(NamedTuple):
    """The state of training: a pytree, which a checkpoint stores whole.

    Attributes:
      params: the weights.
      ema: exponential moving average of the weights.
      opt_state: state of the optax optimizer.
      step: number of steps taken, int32; the noise of a step is keyed by it.
      failed_at: −1, or the first step whose loss or gradient was not finite; from
        then on the weights do not change.
    """

    params: dict
    ema: dict
    opt_state: optax.OptState
    step: jax.Array
    failed_at: jax.Array


def init(
    params: dict, options: TrainingOptions, transform: optax.GradientTransformation | None = None
) -> TrainState:
    """Return the state before the first step, whose average is a copy of the weights.

    The weights are copied, because the step donates the buffers of its state.

    Args:
      params: the weights.
      options: hyperparameters of training.
      transform: the optimizer given to :func:`make_step`, or None for that of ``options``.
    """
    return TrainState(
        params=jax.tree.map(jnp.copy, params),
        ema=jax.tree.map(jnp.copy, params),
        opt_state=(transform or optimizer(options)).init(params),
        step=jnp.zeros((), jnp.int32),
        failed_at=jnp.full((), -1, jnp.int32),
    )


def draw_lmbdas(key: jax.Array, count: int, lmbda_range: tuple[float, float]) -> jax.Array:
    """Draw ``count`` values of λ, each log-uniform in the range, jointly stratified: [count].

    One value falls into each of ``count`` equal parts of the range of log λ, in random order:
    every batch has low and high rates, which reduces the noise of the gradient.
    """
    low, high = lmbda_range
    place_key, order_key = jax.random.split(key)
    place = (jnp.arange(count) + jax.random.uniform(place_key, (count,))) / count
    return low * (high / low) ** jax.random.permutation(order_key, place)


def batch_loss(
    model: LatentModel,
    channel: Channel,
    batch: jax.Array | np.ndarray,
    key: jax.Array,
    balance: float,
    distortion: Distortion = SquaredError(),  # noqa: B008 (frozen)
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the mean weighted J of a batch, and its parts.

        loss = mean of (λ/λ₀)^−balance · J(λ),  λ₀ = √(low·high)

    Every datum has its own λ and its own noise. In a fixed-rate model all weights are 1.

    Args:
      model: the latent model.
      channel: conveys the latents.
      batch: uint8 [B, H, W, 3] or float32 [B, n].
      key: PRNG key for the draws of λ and the noise of the channel.
      balance: see :class:`TrainingOptions`.
      distortion: D of the objective.

    Returns:
      (loss, {"J", "bpp", "distortion"}), each a scalar mean over the batch.
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
    """Compile the training step, data-parallel over ``devices``.

    If the loss or the norm of the gradient is not finite, this step and all later ones leave the
    weights as they are, so that the host need not wait for a step before the next log.

    Args:
      graphdef: structure of the model.
      channel: conveys the latents.
      options: hyperparameters of training.
      distortion: D of the objective.
      devices: devices that share the batch; all visible devices by default.
      transform: an optimizer in place of that of ``options``.

    Returns:
      ``step(state, batches, key) → (state, metrics)``, the sharding of the state and that of the
      batches. The step donates the buffers of the state. Batches are one batch, or
      ``options.steps_per_call`` batches on a new leading axis if that is above 1. Metrics are
      scalars of the last step: ``loss``, ``J``, ``bpp``, ``distortion`` and ``gradient_norm``
      before clipping.

    Raises:
      ValueError: the batch cannot be divided among the devices.
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
    """Return the state after a step; the weights stay once a loss was not ``finite``."""
    updates, opt_state = transform.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # The average of the first steps forgets the start.
    decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
    average = optax.incremental_update(params, state.ema, 1.0 - decay)
    good = finite & (state.failed_at < 0)

    def keep(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, old)

    failed_at = jnp.where(good | (state.failed_at >= 0), state.failed_at, state.step)
    return TrainState(
        keep(params, state.params),
        keep(average, state.ema),
        keep(opt_state, state.opt_state),
        state.step + 1,
        failed_at,
    )
