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
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    steps: PositiveInt = 1000
    """Number of optimizer steps."""
    batch: PositiveInt = 8
    """Number of data in a step, over all devices."""
    learning_rate: PositiveFloat = 5e-4
    """Peak of the learning rate, reached after ``warmup`` steps; then it falls by a cosine."""
    warmup: NonNegativeInt = 100
    """Number of steps of linear warm-up."""
    hold: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the steps after which the cosine begins."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Learning rate at the last step, as a fraction of the peak."""
    clip: PositiveFloat = 1.0
    """Global norm that gradients are clipped to."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the exponential moving average of the weights, which is what training returns; at
    step t it is at most (1 + t)/(10 + t), so that the initial weights are soon forgotten.
    """
    balance: float = 0.5
    """A datum at λ weighs (λ/λ₀)^−balance, λ₀ the geometric middle of the model's range. J grows
    about as √λ, so 0.5 lets every rate count alike.
    """
    checkpoint_every: PositiveInt = 500
    """Number of steps between two states kept on disk."""
    log_every: PositiveInt = 20
    """Number of steps between two lines of the log."""
    steps_per_call: PositiveInt = 1
    """Number of steps that the device takes in one call, over as many batches: fewer calls keep a
    fast device busy, and nothing else changes. ``steps``, ``checkpoint_every`` and ``log_every``
    are multiples of it.
    """

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
