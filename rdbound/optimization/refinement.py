"""Refinement (per-sample optimization): J of one datum minimized over its variational parameters.

``init`` and ``step`` are pure, ``solve`` is the one loop, inside ``lax.scan``.
What is carried (variational parameters, optimizer state, best so far) is apart from what
is reported (trace, status). A codec is optimized through annealed rounding and evaluated by
rounding:

    solve = refine(model, make_channel("sga"), make_channel("rounding"), eight_bit,
                   RefinementOptions())
    data, lmbdas = stack([datum]), jnp.full(1, 0.0067)
    variational = jax.vmap(model.infer)(data.x, lmbdas)
    refined = solve(data, variational, lmbdas, jax.random.split(jax.random.key(0), 1))
    STATUS[int(refined.status[0])]  # "improved"

For a bound both channels are ``gaussian`` and the last step is ``clip``. The J won
against the variational parameters that the networks infer is the amortization gap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

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
from rdbound.utils.progress import SILENT, Progress
from rdbound.utils.registry import find

__all__ = ["OPTIMIZERS", "STATUS", "Refined", "RefinementOptions", "make_optimizer", "refine"]

STATUS = ("improved", "no step was better than the start", "the objective stopped being finite")
"""Meanings of a status of :class:`Refined`."""

OPTIMIZERS: dict[str, Callable[[optax.Schedule], optax.GradientTransformation]] = {
    "adam": optax.adam,
    "adamax": optax.adamax,
    "rmsprop": optax.rmsprop,
    "sgd": partial(optax.sgd, momentum=0.9),
}
"""Optimizers of refinement by name, each a function of its schedule of learning rates."""


@dataclass(frozen=True)
class RefinementOptions:
    """Hyperparameters of refinement.

    The defaults are those of Zhang & Liu 2025, Adam for 5000 steps with a cosine to 1e-4, but
    for the learning rate: theirs is 5e-3, and 1e-2 lowers J more at every number of steps
    that ``experiments/tables/hyperparameters.md`` lists.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    # Not by strings below the fields: a class derived from this one would lose them.
    steps: Annotated[PositiveInt, Field(description="Number of steps.")] = 5000
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
    optimizer: Annotated[
        Literal["adam", "adamax", "rmsprop", "sgd"],
        Field(description="Optimizer; ``sgd`` has a momentum of 0.9."),
    ] = "adam"


class Refined(NamedTuple):
    """The result for one datum.

    Attributes:
      variational: the best variational parameters found, of every level; the start if no step
        was better.
      trace: J by the evaluation channel at every comparison, from the start on,
        [⌈steps / check_every⌉ + 1]. It may rise: ``variational`` belongs to its minimum.
      relaxed: J through the surrogate channel at the last step before each comparison, by the
        noise of that step, [⌈steps / check_every⌉].
      status: an index into :data:`STATUS`.
    """

    variational: VariationalParameters
    trace: jax.Array
    relaxed: jax.Array
    status: jax.Array


class Carry(NamedTuple):
    """The state of the loop: variational parameters, optimizer, best so far, relaxed J."""

    variational: VariationalParameters
    opt_state: optax.OptState
    best: VariationalParameters
    best_J: jax.Array
    relaxed_J: jax.Array


def make_optimizer(options: RefinementOptions) -> optax.GradientTransformation:
    """Return the optimizer that the options name, with their cosine schedule.

    Raises:
      ValueError: The name is unknown.
    """
    fraction = options.final_learning_rate / options.learning_rate
    schedule = optax.cosine_decay_schedule(options.learning_rate, max(1, options.steps), fraction)
    return find("optimizer", OPTIMIZERS, options.optimizer)(schedule)


def refine(
    model: Any,
    channel: Channel,
    evaluation_channel: Channel,
    decode: Callable[[jax.Array], jax.Array],
    options: RefinementOptions,
    distortion: Distortion = SquaredError(),  # noqa: B008 (frozen)
    optimizer: optax.GradientTransformation | None = None,
    progress: Progress = SILENT,
) -> Callable[[Datum, VariationalParameters, jax.Array, jax.Array], Refined]:
    """Return the compiled refinement of a batch of data of one shape.

    Args:
      model: a latent model; its weights are constant, only variational parameters move.
      channel: the surrogate channel that is optimized through (Gaussian for a bound, SGA for a
        codec); it is annealed over the steps.
      evaluation_channel: the channel of the true objective (Gaussian, rounding).
      decode: the decoder's last step in the true objective.
      options: hyperparameters.
      distortion: see :func:`rdbound.objective.objective.objective`.
      optimizer: any optax transformation; the optimizer that ``options`` name if None.
      progress: where the loop reports the step it has reached, without waiting.

    Returns:
      ``solve(data, variational, lmbdas, keys) → Refined``, every argument and result with a
      leading batch axis. The result is never worse than the start: the best so far
      is kept by the true objective with common random numbers; report it with other keys.
      A level's posterior depends on the levels above in every step and comparison.
      An objective that stops being finite is a status, not an exception: the other data of
      the batch are good, and the best is from before. ``solve`` raises
      :class:`rdbound.utils.compilation.TooLargeError` if a batch needs more memory than is free.

    Raises:
      ValueError: The options name an unknown optimizer.
    """
    graphdef, params = nnx.split(model)
    optimizer = make_optimizer(options) if optimizer is None else optimizer
    loop = _Loop(
        graphdef, optimizer, channel, evaluation_channel, decode, options, distortion, progress
    )
    solve = checked(jax.vmap(loop.solve, in_axes=(None, 0, 0, 0, 0)))
    return partial(solve, params)


@dataclass(frozen=True)
class _Loop:
    """The refinement of one datum; the fields are constant in the loop."""

    graphdef: nnx.GraphDef
    optimizer: optax.GradientTransformation
    channel: Channel
    evaluation_channel: Channel
    decode: Callable[[jax.Array], jax.Array]
    options: RefinementOptions
    distortion: Distortion
    progress: Progress

    def solve(
        self,
        params: Any,
        datum: Datum,
        variational: VariationalParameters,
        lmbda: jax.Array,
        key: jax.Array,
    ) -> Refined:
        """Take all steps, in rounds that each end with a comparison."""
        options = self.options
        noise_key, check_key = jax.random.split(key)
        first = self.init(params, datum, variational, lmbda, check_key)

        def round_of_steps(carry, start):
            stop = jnp.minimum(start + options.check_every, options.steps)
            carry = jax.lax.fori_loop(
                start, stop, lambda i, c: self.step(params, datum, lmbda, noise_key, c, i), carry
            )
            if self.progress is not SILENT:
                jax.debug.callback(self._report, stop)
            carry, value = self.check(params, datum, lmbda, check_key, carry)
            return carry, (value, carry.relaxed_J)

        last, (values, relaxed) = jax.lax.scan(
            round_of_steps, first, jnp.arange(0, options.steps, options.check_every)
        )
        trace = jnp.concatenate([first.best_J[None], values])
        status = jnp.where(last.best_J < first.best_J, 0, 1)
        status = jnp.where(jnp.isfinite(trace).all(), status, 2)
        return Refined(last.best, trace, relaxed, status)

    def _report(self, step) -> None:
        self.progress.update("refining", int(step), self.options.steps)

    def init(self, params, datum, variational, lmbda, key) -> Carry:
        """Return the carry before the first step."""
        best_J = self.true_J(params, variational, datum, lmbda, key)
        return Carry(variational, self.optimizer.init(variational), variational, best_J, best_J)

    def step(self, params, datum, lmbda, key, carry: Carry, index) -> Carry:
        """Return the carry after one step of the optimizer on every level's parameters."""
        relaxed_J, gradient = jax.value_and_grad(self.J, argnums=1)(
            params,
            carry.variational,
            self.channel.at(index / self.options.steps),
            datum,
            lmbda,
            jax.random.fold_in(key, index),
            # Straight through the clipping: a clipped pixel still pulls.
            real,
        )
        # J is per pixel while each latent sees few of them; Adam ignores the
        # scale, but its epsilon does not.
        gradient = jax.tree.map(lambda g: g * datum.pixels, gradient)
        updates, opt_state = self.optimizer.update(gradient, carry.opt_state, carry.variational)
        variational = optax.apply_updates(carry.variational, updates)
        return carry._replace(variational=variational, opt_state=opt_state, relaxed_J=relaxed_J)

    def check(self, params, datum, lmbda, key, carry: Carry) -> tuple[Carry, jax.Array]:
        """Return the carry with its best brought up to date, and the true J."""
        value = self.true_J(params, carry.variational, datum, lmbda, key)
        better = value < carry.best_J
        best = jax.tree.map(partial(jnp.where, better), carry.variational, carry.best)
        best_J = jnp.where(better, value, carry.best_J)
        return carry._replace(best=best, best_J=best_J), value

    def true_J(self, params, variational, datum, lmbda, key) -> jax.Array:
        """Return J by the evaluation channel, averaged over the noise that ``key`` fixes."""
        channel = self.evaluation_channel
        keys = jax.random.split(key, self.options.check_samples if channel.random else 1)
        values = jax.lax.map(
            lambda k: self.J(params, variational, channel, datum, lmbda, k, self.decode), keys
        )
        return jnp.mean(values)

    def J(self, params, variational, channel, datum, lmbda, key, decode) -> jax.Array:
        """Return J of given variational parameters through a channel."""
        model = nnx.merge(self.graphdef, params)
        return objective(model, channel, datum, key, lmbda, variational, decode, self.distortion).J
