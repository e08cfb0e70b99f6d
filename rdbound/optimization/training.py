"""Train the weights of a latent model: minimize J averaged over a data set.

``fit`` is the one loop around the pure steps of :mod:`rdbound.optimization.training_step`, with
its files: Orbax checkpoints, ``metrics.jsonl`` and TensorBoard events.

    model = make_model("mlp", form="bound", lmbda=2.0, dimension=2, hidden=())
    source = make_source("gaussian", variances=(1.0, 4.0))
    problem = TrainingProblem(model, make_channel("gaussian"), Stream(source, 512, 0))
    model = fit(problem, TrainingOptions(steps=3000, batch=512), Path("runs/example"))

The noise of a step is keyed by its number and the data follow the iterator's state, so that a
run that is killed and started again takes the steps that it would have taken.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from flax import nnx

from rdbound.channels import Channel
from rdbound.models.base import LatentModel
from rdbound.objective.distortion import Distortion, SquaredError
from rdbound.optimization.multihost import placed, together
from rdbound.optimization.training_options import TrainingOptions
from rdbound.optimization.training_state import CHECKPOINTS, Checkpoints, Metrics
from rdbound.optimization.training_step import TrainState, batch_loss, init, make_step
from rdbound.utils.compilation import ahead
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["Batches", "NonFiniteLossError", "TrainingProblem", "fit"]


class Batches(Protocol):
    """An endless iterator of batches whose position can be saved and restored."""

    def __next__(self) -> Any:
        """Return the next batch: uint8 [B, H, W, 3] or float32 [B, n]."""

    def get_state(self) -> Any:
        """Return the position as JSON values."""

    def set_state(self, state: Any) -> None:
        """Go to a position that ``get_state`` returned."""


@dataclass(frozen=True)
class TrainingProblem:
    """What is trained: J of a model on data, conveyed by a channel.

    Attributes:
      model: the latent model with its initial weights.
      channel: conveys the latents in training.
      batches: the training data.
      distortion: D of the objective.
      held_out: a batch that is never trained on, or None. J of the averaged weights on it, with
        the same noise and the same λ every time, is logged at every checkpoint as
        ``held_out_J``.
    """

    model: LatentModel
    channel: Channel
    batches: Batches
    distortion: Distortion = field(default_factory=SquaredError)
    held_out: np.ndarray | None = None


class NonFiniteLossError(ValueError):
    """Report the step at which the loss stopped being finite, and the last good checkpoint.

    Attributes:
      model: the model with the averaged weights of that checkpoint, or with its initial weights
        if there is no checkpoint.
    """

    def __init__(self, message: str, model: LatentModel):
        super().__init__(message)
        self.model = model


def fit(
    problem: TrainingProblem,
    options: TrainingOptions,
    folder: Path,
    seed: int = 0,
    progress: Progress = SILENT,
) -> LatentModel:
    """Train from the newest checkpoint in ``folder`` on, and return the averaged model.

    A run killed at any moment and started again ends with the same weights, bit for bit on a
    CPU. Several processes (:mod:`rdbound.optimization.multihost`) all make the same call.

    Args:
      problem: model, channel, data and distortion.
      options: hyperparameters of training.
      folder: folder of ``checkpoints/``, ``metrics.jsonl`` and TensorBoard events.
      seed: seed of the channel's noise and of the draws of λ.
      progress: receives the number of steps at every log.

    Raises:
      NonFiniteLossError: the loss was not finite at the latest log or checkpoint.
      ValueError: see :func:`make_step`.
    """
    graphdef, state = nnx.split(problem.model)
    step, replicated, split = make_step(graphdef, problem.channel, options, problem.distortion)
    key = jax.jit(lambda: jax.random.key(seed), out_shardings=replicated)()
    held_out = _held_out_J(graphdef, problem, options.steps)
    clock = time.monotonic()
    with Checkpoints(folder / CHECKPOINTS) as checkpoints:

        def restored() -> TrainState:
            """Return the state of the newest checkpoint, or the initial state."""
            return checkpoints.restore(init(nnx.to_pure_dict(state), options), problem.batches)

        carry = placed(restored(), replicated)
        done, each, program = int(carry.step), options.steps_per_call, None
        with Metrics(folder, done) as log:
            for taken in range(done + each, options.steps + each, each):
                # A call returns before it is done: the next batch is made meanwhile.
                batch = placed(_batches(problem.batches, each), split)
                if program is None:
                    program = _compiled(step, (carry, batch, key), options, done)
                carry, metrics = program(carry, batch, key)
                saves = taken == options.steps or taken % options.checkpoint_every == 0
                if saves or taken % options.log_every == 0:
                    if int(carry.failed_at) >= 0:
                        message = _failure(carry, checkpoints)
                        raise NonFiniteLossError(message, _averaged(graphdef, state, restored()))
                    values = {name: float(value) for name, value in metrics.items()}
                    values["seconds"] = time.monotonic() - clock
                    if saves and held_out is not None:
                        values["held_out_J"] = float(held_out(carry.ema, carry.step))
                    log.write(taken, values)
                    progress.update("training", taken, options.steps, f"J {values['J']:.3f}")
                if saves:
                    checkpoints.save(taken, carry, problem.batches)
    return _averaged(graphdef, state, carry)


def _compiled(step: Callable, arguments: tuple, options: TrainingOptions, done: int) -> Callable:
    """Compile the step, and log how many steps are left and how much memory they take."""
    with together():
        program, gigabytes = ahead(step, *arguments, advice="a smaller training.options.batch")
    memory = "" if gigabytes is None else f"; training takes {gigabytes:.2g} GB of memory"
    left = options.steps - done
    LOG.info(f"{left} of {options.steps} steps, {options.batch} data each{memory}")
    return program


def _batches(batches: Batches, count: int) -> Any:
    """Return the next batch, or ``count`` batches on a new leading axis if that is above 1."""
    return next(batches) if count == 1 else np.stack([next(batches) for _ in range(count)])


def _held_out_J(graphdef: nnx.GraphDef, problem: TrainingProblem, steps: int) -> Callable | None:
    """Return ``J(ema, step)`` on the held-out batch, or None if there is none."""
    held_out = problem.held_out
    if held_out is None:
        return None

    @jax.jit
    def J(ema: dict, step: jax.Array) -> jax.Array:
        model, key = nnx.merge(graphdef, ema), jax.random.key(0)
        annealed = problem.channel.at(step / steps)
        return batch_loss(model, annealed, held_out, key, 0.0, problem.distortion)[1]["J"]

    return J


def _averaged(graphdef: nnx.GraphDef, state: nnx.State, carry: TrainState) -> LatentModel:
    nnx.replace_by_pure_dict(state, jax.device_get(carry.ema))
    return nnx.merge(graphdef, state)


def _failure(carry: TrainState, checkpoints: Checkpoints) -> str:
    """Wait for the checkpoint being written, and describe a loss that is not finite."""
    checkpoints.wait()
    return (
        f"the loss stopped being finite at step {int(carry.failed_at)}; the last good checkpoint "
        f"is {checkpoints.newest() or 'none, only the start'}"
    )
