"""Declare the hyperparameters of training, and build the optimizer from them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import optax
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["TrainingOptions", "optimizer", "schedule"]


@dataclass(frozen=True)
class TrainingOptions:
    """Hyperparameters of training: Adam, clipped gradients, one schedule, an average.

    ``experiments/tables/hyperparameters.md`` compares choices of them in short runs.

    Attributes:
      steps: number of optimizer steps.
      batch: data in a step, over all devices.
      learning_rate: peak of the learning rate, reached after ``warmup`` steps; a cosine then
        takes it to ``final`` times the peak.
      warmup: steps of linear warm-up.
      hold: fraction of the steps after which the cosine begins.
      final: see ``learning_rate``.
      clip: global norm that gradients are clipped to.
      ema: decay of the exponential moving average of the weights, which training returns; at
        step t it is at most (1 + t)/(10 + t), so that the average soon forgets the initial
        weights.
      balance: exponent of the weight (λ/λ₀)^−balance of a datum at λ, λ₀ the geometric middle
        of the model's range. J grows about as √λ, so that 0.5 gives every rate equal weight.
      checkpoint_every: steps between two checkpoints.
      log_every: steps between two logs.
      steps_per_call: steps that the device takes in one call, over as many batches. Fewer calls
        keep a fast device busy and change nothing else. ``steps``, ``checkpoint_every`` and
        ``log_every`` are multiples of it.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    steps: PositiveInt = 1000
    batch: PositiveInt = 8
    learning_rate: PositiveFloat = 5e-4
    warmup: NonNegativeInt = 100
    hold: Annotated[float, Field(ge=0, le=1)] = 0.0
    final: Annotated[float, Field(ge=0, le=1)] = 0.01
    clip: PositiveFloat = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    balance: float = 0.5
    checkpoint_every: PositiveInt = 500
    log_every: PositiveInt = 20
    steps_per_call: PositiveInt = 1

    def __post_init__(self):
        for name in ("steps", "checkpoint_every", "log_every"):
            if getattr(self, name) % self.steps_per_call:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, not a multiple of steps_per_call, which is "
                    f"{self.steps_per_call}"
                )


def schedule(options: TrainingOptions) -> optax.Schedule:
    """Return the learning rate by the step: linear warm-up, constant, cosine.

    The cosine begins at the later of ``warmup`` and ``hold``·``steps``, takes the remaining
    steps and ends at ``final`` times the peak.
    """
    o = options
    start = max(o.warmup, int(o.hold * o.steps))
    pieces = [
        optax.linear_schedule(0.0, o.learning_rate, o.warmup),
        optax.constant_schedule(o.learning_rate),
        optax.cosine_decay_schedule(o.learning_rate, max(1, o.steps - start), o.final),
    ]
    return optax.join_schedules(pieces, [o.warmup, start])


def optimizer(options: TrainingOptions) -> optax.GradientTransformation:
    """Return the optimizer: clipping by the global norm, then Adam."""
    return optax.chain(optax.clip_by_global_norm(options.clip), optax.adam(schedule(options)))
