"""Posterior parameters of one datum, weights frozen: J minimized per sample.

``init`` and ``step`` are pure, ``solve`` is the one loop, inside ``lax.scan``.
What is carried (posteriors, optimizer state, best so far) is apart from what
is reported (trace, status).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from pydantic import PositiveFloat, PositiveInt

from rdbound.channels import Channel, RoundingChannel
from rdbound.models.base import LatentModel
from rdbound.objective import objective, real
from rdbound.ops.distributions import Gaussian

__all__ = ["STATUS", "Refined", "RefinementOptions", "refine"]

STATUS = ("improved", "no step was better than the start", "the objective stopped being finite")


@dataclass(frozen=True)
class RefinementOptions:
    """Hyperparameters of refinement.

    Attributes:
      steps: of Adam.
      learning_rate, final_learning_rate: of a cosine over ``steps``.
      check_every: steps between comparisons with the best so far.
      check_samples: noise samples of a comparison, the same at every one.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    steps: PositiveInt = 5000
    learning_rate: PositiveFloat = 5e-3
    final_learning_rate: PositiveFloat = 1e-4
    check_every: PositiveInt = 50
    check_samples: PositiveInt = 4


class Refined(NamedTuple):
    """The result for one datum.

    ``posteriors``: every level, the best found. ``trace``: [steps / check_every + 1]
    judged J, from the start on. ``status``: an index into :data:`STATUS`.
    """

    posteriors: tuple[Gaussian, ...]
    trace: jax.Array
    status: jax.Array


class Carry(NamedTuple):
    """What the loop carries."""

    posteriors: tuple[Gaussian, ...]
    opt_state: optax.OptState
    best: tuple[Gaussian, ...]
    best_J: jax.Array


def refine(
    model: LatentModel,
    channel: Channel,
    judge: Channel,
    decode: Callable,
    options: RefinementOptions,
    progress: Callable[[int], None] | None = None,
):
    """The compiled refinement of a batch of data of one shape.

    Args:
      model: its weights stay as they are.
      channel: optimized through (Gaussian for a bound, SGA for a codec).
      judge: the channel of the true objective (Gaussian, rounding).
      decode: the decoder's last step in the true objective.
      options: hyperparameters.
      progress: called from the loop with the step reached, without waiting.

    Returns ``solve(data, posteriors, lmbdas, keys) → Refined``, every argument
    and result with a leading batch axis. It never returns worse than it was
    given: the best is kept by the true objective, judged with the same noise
    every time; report it with other keys.
    """
    graphdef, params = nnx.split(model)
    optimizer = optax.adam(
        optax.cosine_decay_schedule(
            options.learning_rate,
            max(1, options.steps),
            options.final_learning_rate / options.learning_rate,
        )
    )
    loop = _Loop(graphdef, optimizer, channel, judge, decode, options, progress)
    solve = jax.jit(jax.vmap(loop.solve, in_axes=(None, 0, 0, 0, 0)))
    return partial(solve, params)


@dataclass(frozen=True)
class _Loop:
    """The refinement of one datum; the fields are what stays fixed in the loop."""

    graphdef: nnx.GraphDef
    optimizer: optax.GradientTransformation
    channel: Channel
    judge: Channel
    decode: Callable
    options: RefinementOptions
    progress: Callable[[int], None] | None

    def solve(self, params, datum, posteriors, lmbda, key) -> Refined:
        """All steps, in rounds that each end with a comparison."""
        options = self.options
        noise_key, judge_key = jax.random.split(key)
        first = self.init(params, datum, posteriors, lmbda, judge_key)

        def round_of_steps(carry, start):
            stop = jnp.minimum(start + options.check_every, options.steps)
            carry = jax.lax.fori_loop(
                start, stop, lambda i, c: self.step(params, datum, lmbda, noise_key, c, i), carry
            )
            if self.progress is not None:
                jax.debug.callback(self.progress, stop)
            return self.check(params, datum, lmbda, judge_key, carry)

        last, values = jax.lax.scan(
            round_of_steps, first, jnp.arange(0, options.steps, options.check_every)
        )
        trace = jnp.concatenate([first.best_J[None], values])
        status = jnp.where(last.best_J < first.best_J, 0, 1)
        status = jnp.where(jnp.isfinite(trace).all(), status, 2)
        return Refined(last.best, trace, status)

    def init(self, params, datum, posteriors, lmbda, key) -> Carry:
        """The carry before the first step."""
        best_J = self.judged(params, posteriors, datum, lmbda, key)
        return Carry(posteriors, self.optimizer.init(posteriors), posteriors, best_J)

    def step(self, params, datum, lmbda, key, carry: Carry, index) -> Carry:
        """One step of Adam on every level's posterior."""
        gradient = jax.grad(self.J, argnums=1)(
            params,
            carry.posteriors,
            self.channel.at(index),
            datum,
            lmbda,
            jax.random.fold_in(key, index),
            # Straight through the clipping: a clipped pixel still pulls.
            real,
        )
        # J is per pixel while each latent sees few of them; Adam ignores the
        # scale, but its epsilon does not.
        gradient = jax.tree.map(lambda g: g * datum.pixels, gradient)
        updates, opt_state = self.optimizer.update(gradient, carry.opt_state)
        posteriors = optax.apply_updates(carry.posteriors, updates)
        return carry._replace(posteriors=posteriors, opt_state=opt_state)

    def check(self, params, datum, lmbda, key, carry: Carry) -> tuple[Carry, jax.Array]:
        """The carry with its best brought up to date, and the judged J."""
        value = self.judged(params, carry.posteriors, datum, lmbda, key)
        better = value < carry.best_J
        best = jax.tree.map(partial(jnp.where, better), carry.posteriors, carry.best)
        best_J = jnp.where(better, value, carry.best_J)
        return carry._replace(best=best, best_J=best_J), value

    def judged(self, params, posteriors, datum, lmbda, key) -> jax.Array:
        """The true objective, averaged over noise that ``key`` fixes."""
        # A deterministic judge needs one sample.
        keys = jax.random.split(key, self.options.check_samples if _noisy(self.judge) else 1)
        values = jax.lax.map(
            lambda k: self.J(params, posteriors, self.judge, datum, lmbda, k, self.decode), keys
        )
        return jnp.mean(values)

    def J(self, params, posteriors, channel, datum, lmbda, key, decode) -> jax.Array:
        """J of given posteriors through a channel."""
        model = nnx.merge(self.graphdef, params)
        return objective(model, channel, datum, key, lmbda, posteriors, decode).J


def _noisy(channel: Channel) -> bool:
    return not isinstance(channel, RoundingChannel)
