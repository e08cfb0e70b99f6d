"""Hyperparameters of training, and the optimizer they mean."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import optax
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["TrainingOptions", "optimizer", "schedule"]


@dataclass(frozen=True)
class TrainingOptions:
    """Hyperparameters of training: Adam, clipped gradients, one schedule, an average.

    What ten minutes of one core make of a Res-hyper, from its KLT start, with one choice changed
    at a time (``experiments/training_recipe.py``; held-out J less that of the first, in per
    cent, ± its standard error over 24 photographs):

        5e-4, 8 crops of 128², the first         430 steps
        learning rate 2.5e-4                     430       +9.9 ± 1.4
        learning rate 1e-3                       430       −5.7 ± 0.9
        learning rate 2e-3                       430       −7.5 ± 1.3
        4 crops of 128²                          774       −6.1 ± 0.9
        16 crops of 128²                         234      +10.5 ± 1.6
        32 crops of 64²                          410       −4.3 ± 0.7
        2 crops of 256²                          335      +13.1 ± 1.1
        Muon for the matrices                    258      +26.9 ± 2.9
        schedule-free Adam                       422       +3.1 ± 0.6
        balance 0                                430       +2.3 ± 0.5
        balance 1                                430       +1.2 ± 0.4
        average 0.99 or 0.9995                   430        0 (its ramp decides so early)
        wide: 1, 2, 2 blocks, not 3, 4, 2        545       −2.9 ± 0.4
        deep: 6, 8, 2 blocks                     376       +5.3 ± 0.8
        more MAC at stride 16, fewer at 4        472       −4.3 ± 0.7
        random weights, not the KLT              430      +89.6 ± 4.1

    So short a run wants many steps and a high rate: 2e-3 is ahead at low rates of bits and
    already behind at λ = 0.093. Kept for the short runs of ``configs/size_sweep.yaml``: 1e-3, 4
    crops, the KLT start. What a run of many hours wants, this cannot tell.
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
    """Linear warm-up, constant, cosine: the learning rate by the step.

    The cosine begins at the later of ``warmup`` and ``hold``·``steps``. It is as long as
    what is left of ``steps`` and ends at ``final`` times the peak.
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
    """Global-norm clipping, then Adam."""
    return optax.chain(optax.clip_by_global_norm(options.clip), optax.adam(schedule(options)))
