"""The variational parameters of one datum, weights frozen: J minimized per sample.

``init`` and ``step`` are pure, ``solve`` is the one loop, inside ``lax.scan``.
What is carried (variational parameters, optimizer state, best so far) is apart from what
is reported (trace, status). For a codec, optimized through annealed rounding and
judged by rounding:

    solve = refine(model, make_channel("sga"), make_channel("rounding"), eight_bit,
                   RefinementOptions())
    data, lmbdas = stack([datum]), jnp.full(1, 0.0067)
    variational = jax.vmap(model.infer)(data.x, lmbdas)
    refined = solve(data, variational parameters, lmbdas, jax.random.split(jax.random.key(0), 1))
    STATUS[int(refined.status[0])]  # "improved"

For a bound both channels are ``gaussian`` and the last step is ``clip``. What is won
against the variational parameters that the networks infer is the amortization gap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from pydantic import Field, PositiveFloat, PositiveInt

from rdbound.channels import Channel
from rdbound.models.base import VariationalParameters
from rdbound.objective.datum import Datum
from rdbound.objective.distortion import Distortion, SquaredError
from rdbound.objective.objective import objective, real
from rdbound.utils.compilation import checked

__all__ = ["STATUS", "Refined", "RefinementOptions", "refine"]

STATUS = ("improved", "no step was better than the start", "the objective stopped being finite")
"""What a status of :class:`Refined` says."""


@dataclass(frozen=True)
class RefinementOptions:
    """Hyperparameters of refinement.

    Steps and schedule are those of Zhang & Liu 2025: Adam, 5000 iterations, a cosine to
    1e-4. Their rate is 5e-3; 1e-2 takes more off J at every number of steps that
    ``experiments/refinement_rate.py`` tried (mean over three crops, per cent of J):

        rate      50     100    300    1000 steps
        2.5e-3    1.40   2.05   2.99   3.63
        5e-3      1.87   2.52   3.31   3.77
        1e-2      2.10   2.78   3.48   3.81
        2e-2      1.96   2.83   3.54   3.80
        4e-2      1.48   2.77   3.49
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    # Not by strings below the fields: a class derived from this one would lose them.
    steps: Annotated[PositiveInt, Field(description="Number of steps of Adam.")] = 5000
    learning_rate: Annotated[
        PositiveFloat,
        Field(description="Learning rate at the first step; it falls by a cosine."),
    ] = 1e-2
    final_learning_rate: Annotated[
        PositiveFloat, Field(description="Learning rate at the last step.")
    ] = 1e-4
    check_every: Annotated[
        PositiveInt, Field(description="Number of steps between comparisons with the best so far.")
    ] = 50
    check_samples: Annotated[
        PositiveInt,
        Field(description="Number of noise samples of a comparison, the same at every one."),
    ] = 4


class Refined(NamedTuple):
    """The result for one datum.

    Attributes:
      variational: every level, the best found; the start where nothing was better.
      trace: judged J at every comparison, [⌈steps / check_every⌉ + 1] from the
        start on. It may rise: what is returned is its least.
      relaxed: J through the channel that is optimized, at the last step before each
        comparison, by the draw of that step: [⌈steps / check_every⌉].
      status: an index into :data:`STATUS`.
    """

    variational: VariationalParameters
    trace: jax.Array
    relaxed: jax.Array
    status: jax.Array


class Carry(NamedTuple):
    """What the loop carries: variational parameters and its relaxed J, Adam's moments, the best
    with its J.
    """

    variational: VariationalParameters
    opt_state: optax.OptState
    best: VariationalParameters
    best_J: jax.Array
    relaxed_J: jax.Array


def cosine_adam(options: RefinementOptions) -> optax.GradientTransformation:
    """Adam with the cosine schedule of the options, from the first rate to the final one."""
    fraction = options.final_learning_rate / options.learning_rate
    return optax.adam(
        optax.cosine_decay_schedule(options.learning_rate, max(1, options.steps), fraction)
    )


def refine(
    model: Any,
    channel: Channel,
    judge: Channel,
    decode: Callable[[jax.Array], jax.Array],
    options: RefinementOptions,
    distortion: Distortion = SquaredError(),  # noqa: B008 (frozen)
    optimizer: optax.GradientTransformation | None = None,
    progress: Callable[[int], None] | None = None,
) -> Callable[..., Refined]:
    """The compiled refinement of a batch of data of one shape.

    Args:
      model: its weights stay as they are; only variational parameters moves.
      channel: optimized through (Gaussian for a bound, SGA for a codec).
      judge: the channel of the true objective (Gaussian, rounding).
      decode: the decoder's last step in the true objective.
      options: hyperparameters.
      distortion: see :func:`rdbound.objective.objective.objective`.
      optimizer: in place of Adam with the options' cosine schedule.
      progress: called from the loop with the step reached, without waiting.

    Returns ``solve(data, variational parameters, lmbdas, keys) → Refined``, every argument
    and result with a leading batch axis. It never returns worse than it was
    given: the best is kept by the true objective, judged with the same noise
    every time; report it with other keys. Where a level's posterior depends on
    the levels above, it does so in every step and every judgement.

    The status of a result that stopped being finite is told, not raised: the other
    data of its batch are good, and its best is from before. ``solve`` raises ValueError
    where a batch needs more memory than there is.
    """
    graphdef, params = nnx.split(model)
    optimizer = cosine_adam(options) if optimizer is None else optimizer
    loop = _Loop(graphdef, optimizer, channel, judge, decode, options, distortion, progress)
    solve = checked(jax.vmap(loop.solve, in_axes=(None, 0, 0, 0, 0)))
    return partial(solve, params)


@dataclass(frozen=True)
class _Loop:
    """The refinement of one datum; the fields are what stays fixed in the loop."""

    graphdef: nnx.GraphDef
    optimizer: optax.GradientTransformation
    channel: Channel
    judge: Channel
    decode: Callable[[jax.Array], jax.Array]
    options: RefinementOptions
    distortion: Distortion
    progress: Callable[[int], None] | None

    def solve(
        self, params, datum: Datum, variational: VariationalParameters, lmbda, key
    ) -> Refined:
        """All steps, in rounds that each end with a comparison."""
        options = self.options
        noise_key, judge_key = jax.random.split(key)
        first = self.init(params, datum, variational, lmbda, judge_key)

        def round_of_steps(carry, start):
            stop = jnp.minimum(start + options.check_every, options.steps)
            carry = jax.lax.fori_loop(
                start, stop, lambda i, c: self.step(params, datum, lmbda, noise_key, c, i), carry
            )
            if self.progress is not None:
                jax.debug.callback(self.progress, stop)
            carry, value = self.check(params, datum, lmbda, judge_key, carry)
            return carry, (value, carry.relaxed_J)

        last, (values, relaxed) = jax.lax.scan(
            round_of_steps, first, jnp.arange(0, options.steps, options.check_every)
        )
        trace = jnp.concatenate([first.best_J[None], values])
        status = jnp.where(last.best_J < first.best_J, 0, 1)
        status = jnp.where(jnp.isfinite(trace).all(), status, 2)
        return Refined(last.best, trace, relaxed, status)

    def init(self, params, datum, variational, lmbda, key) -> Carry:
        """The carry before the first step."""
        best_J = self.judged(params, variational, datum, lmbda, key)
        return Carry(variational, self.optimizer.init(variational), variational, best_J, best_J)

    def step(self, params, datum, lmbda, key, carry: Carry, index) -> Carry:
        """One step of Adam on every level's variational parameters."""
        relaxed_J, gradient = jax.value_and_grad(self.J, argnums=1)(
            params,
            carry.variational,
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
        variational = optax.apply_updates(carry.variational, updates)
        return carry._replace(variational=variational, opt_state=opt_state, relaxed_J=relaxed_J)

    def check(self, params, datum, lmbda, key, carry: Carry) -> tuple[Carry, jax.Array]:
        """The carry with its best brought up to date, and the judged J."""
        value = self.judged(params, carry.variational, datum, lmbda, key)
        better = value < carry.best_J
        best = jax.tree.map(partial(jnp.where, better), carry.variational, carry.best)
        best_J = jnp.where(better, value, carry.best_J)
        return carry._replace(best=best, best_J=best_J), value

    def judged(self, params, variational, datum, lmbda, key) -> jax.Array:
        """The true objective, averaged over noise that ``key`` fixes."""
        # A deterministic judge needs one sample.
        keys = jax.random.split(key, self.options.check_samples if self.judge.random else 1)
        values = jax.lax.map(
            lambda k: self.J(params, variational, self.judge, datum, lmbda, k, self.decode), keys
        )
        return jnp.mean(values)

    def J(self, params, variational, channel, datum, lmbda, key, decode) -> jax.Array:
        """J of given variational parameters through a channel."""
        model = nnx.merge(self.graphdef, params)
        return objective(model, channel, datum, key, lmbda, variational, decode, self.distortion).J
