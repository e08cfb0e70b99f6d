"""The neural lower bound of Yang & Mandt 2022 (arXiv 2111.12166, §4), squared error.

Csiszár's dual: for every u > 0 on the source's alphabet and s = λ·ln 2,

    n·J(λ)·ln 2  ≥  E[−ln u(X)] − ln c,   c = sup_y E[exp(−s·‖X − y‖²) / u(X)].

The expectation inside the supremum is a mean over k samples: C_k, whose supremum exceeds c in
expectation, so with −ln c ≥ −c/α − ln α + 1 (any α > 0)

    ξ = −mean ln u − C_k/α − ln α + 1

lies below the bound in expectation. The mean of several independent ξ, less a margin from
Student's t, is a lower bound with about the nominal probability: about, because C_k has a heavy
tail, and provided that the inner supremum is found; it is searched by mean-shift ascent (which
never descends) from many of the samples. k limits the tightness: at y = x_i the sum is at least
its own term, so C_k ≥ exp(mean −ln u)/k and no ξ exceeds ln k. A bound on n·J never exceeds
log₂ k bits, and is lower where few samples have neighbours.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from pydantic import Field, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from scipy.stats import t as student

from rdbound.models.vector_vae import Dense
from rdbound.ops.distances import squared_distances
from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Source, check_memory
from rdbound.theory.base import Estimate, Several, check_squared, clipped_adam, solve_each
from rdbound.utils.registry import OPTIONS

__all__ = ["DualFunction", "LogU", "NeuralLower", "log_supremum"]

TRAINING_SHIFTS, FINAL_SHIFTS = 20, 100  # steps of mean shift


class LogU(nnx.Module):
    """Ln u(x): a perceptron of the standardized x and of its squared length, above a floor.

    Where the Shannon lower bound is tight the best u is proportional to the density. With k
    samples it must not follow the density into its tails: where u < 1/(k·c), one outlier is a
    supremum by itself. The floor starts there (the perceptron at 0) and is learned like all
    other weights.

    Args:
      mean: mean of the source, [n].
      deviation: its standard deviations, [n].
      samples: k.
      hidden: widths of the layers.
      rngs: random numbers of the initial weights.
    """

    def __init__(
        self,
        mean: np.ndarray,
        deviation: np.ndarray,
        samples: int,
        hidden: Sequence[int],
        rngs: nnx.Rngs,
    ):
        self.floor = nnx.Param(jnp.asarray(-np.log(samples), jnp.float32))
        self.mean = nnx.Param(jnp.asarray(mean, jnp.float32))
        self.precision = nnx.Param(1.0 / jnp.asarray(deviation, jnp.float32))
        self.network = Dense(len(mean) + 1, hidden, 1, rngs, zero=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return ln u of one vector x [n], a scalar."""
        z = (x - self.mean[...]) * self.precision[...]
        return jnp.logaddexp(self.network(jnp.append(z, jnp.mean(z**2)))[0], self.floor[...])


class DualFunction(NamedTuple):
    """The certificate of a lower bound: Csiszár's dual function and its values.

    Attributes:
      log_u: the trained ln u.
      log_alpha: ln α.
      xi: independent values of ξ, [repeats], in nats per vector.
    """

    log_u: LogU
    log_alpha: float
    xi: np.ndarray


def log_supremum(
    x: jax.Array, log_u: jax.Array, slope: float | jax.Array, starts: int, steps: int
) -> tuple[jax.Array, jax.Array]:
    """Return ln C_k = ln sup_y (1/k)·Σ exp(−s·‖x_i − y‖²)/u(x_i), and its maximizer y [n].

    Args:
      x: samples, [k, n].
      log_u: ln u at the samples, [k].
      slope: s.
      starts: number of samples, the best first, from which ascent begins.
      steps: steps of mean shift, y ← Σ w_i·x_i with w the softmax of the terms
        (Carreira-Perpiñán 2007); each raises the sum.
    """
    origin = x.mean(0)  # reduces the rounding of the means that mean shift takes
    x = x - origin

    def terms(y):
        return -slope * squared_distances(y, x) - log_u

    y = x
    if starts < len(x):
        _, best = jax.lax.top_k(jax.nn.logsumexp(terms(x), axis=1), starts)
        y = x[best]

    def shift(_, y):
        return jnp.matmul(jax.nn.softmax(terms(y), axis=1), x, precision="highest")

    y = jax.lax.fori_loop(0, steps, shift, y)
    values = jax.nn.logsumexp(terms(y), axis=1) - jnp.log(len(x))
    chosen = jnp.argmax(values)
    return values[chosen], y[chosen] + origin


@dataclass(frozen=True, config=OPTIONS)
class NeuralLower:
    """The neural lower bound as an estimator.

    Attributes:
      samples: k, both in training and in the final estimate.
      hidden: widths of the layers of ln u.
      steps: training steps.
      learning_rate: learning rate of Adam, with a cosine decay.
      draws: sets of k samples per step.
      starts: starts of the inner maximization in training; the estimate starts from every
        sample.
      repeats: number of independent ξ.
      confidence: nominal probability that the reported value is a lower bound, one-sided
        (Student's t on the ξ).
    """

    samples: PositiveInt = 1_024
    hidden: tuple[PositiveInt, ...] = (64, 64)
    steps: PositiveInt = 500
    learning_rate: PositiveFloat = 2e-3
    draws: PositiveInt = 2
    starts: PositiveInt = 10
    repeats: Several = 30
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    name = "neural-lower"

    def solve(
        self, source: Source, lmbdas: Sequence[float], seed: int = 0
    ) -> list[Estimate[DualFunction]]:
        """Compute lower bounds; certificates are the dual functions.

        A supporting line has no point of its own. ``distortion`` is where the source's R(D)
        touches its supporting line if that is known, else where the Shannon lower bound would,
        but no larger than R ≥ 0 allows.

        Raises:
          ValueError: if a λ is not positive, the source has no squared error, memory does not
            hold the distances of a step, or the bound is not finite.
        """
        check_squared(source, self.name)
        check_memory(4.0 * 8 * self.samples**2, f"{self.samples} samples")
        return solve_each(source, lmbdas, lambda lmbda: self._estimate(source, lmbda, seed))

    def _estimate(self, source: Source, lmbda: float, seed: int) -> Estimate[DualFunction]:
        n = source.dimension
        dual, trace = self._fit(source, lmbda, seed)
        xi = dual.xi / LN2 / n
        if not np.isfinite(xi).all():
            raise ValueError(
                f"{self.name}: the bound is not finite at λ = {lmbda:g}; lower the learning rate"
            )
        error = float(xi.std(ddof=1) / np.sqrt(len(xi)))
        margin = float(student.ppf(self.confidence, len(xi) - 1)) * error
        # J(λ) ≥ 0 for any source: the bound is never worse than that.
        reached = float(xi.mean()) - margin
        J = max(0.0, reached)
        limit = float(np.log2(self.samples)) / n
        status = "" if reached > 0 else "the samples say less than J ≥ 0"
        if reached > 0.8 * limit:
            status = f"J is near the most that k samples can say, log₂ k / n = {limit:.3g}"
        point = source.exact(lmbda)
        touching = point.distortion if point is not None else 1.0 / (2.0 * LN2 * lmbda)
        distortion = min(touching, J / lmbda)
        return Estimate(
            source=source,
            method=self,
            seed=seed,
            side="lower",
            lmbda=lmbda,
            rate=J - lmbda * distortion,
            distortion=distortion,
            standard_error=error,
            status=status,
            certificate=dual,
            trace=trace / np.float32(LN2 * n),
        )

    def _fit(self, source: Source, lmbda: float, seed: int) -> tuple[DualFunction, np.ndarray]:
        """Return the trained dual function, and the bound of each step, [steps], nats a vector."""
        slope = lmbda * LN2
        pilot = np.asarray(source.sample(jax.random.key(seed + 2**29), 10_000))
        model = LogU(pilot.mean(0), pilot.std(0) + 1e-6, self.samples, self.hidden, nnx.Rngs(seed))
        graphdef, params = nnx.split(model)
        train_key = jax.random.key(seed + 2**28)
        params, log_alpha, trace = _train(self, graphdef, source, params, slope, train_key)
        log_u_of = nnx.merge(graphdef, params)
        keys = jax.random.split(jax.random.key(seed + 2**30), self.repeats)

        @jax.jit
        def one(key):
            x = source.sample(key, self.samples)
            log_u = jax.vmap(nnx.merge(graphdef, params))(x)
            log_c, _ = log_supremum(x, log_u, slope, self.samples, FINAL_SHIFTS)
            return -log_u.mean() - jnp.exp(log_c - log_alpha) - log_alpha + 1.0

        xi = np.asarray([float(one(key)) for key in keys], np.float64)
        return DualFunction(log_u_of, float(log_alpha), xi), np.asarray(trace)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _train(
    options: NeuralLower,
    graphdef: nnx.GraphDef,
    source: Source,
    params: nnx.State,
    slope: jax.Array,
    key: jax.Array,
) -> tuple[nnx.State, jax.Array, jax.Array]:
    """Maximize −mean ln u − ln C_k by Adam.

    Returns:
      The weights, ln α (of the mean of C_k over the last tenth of the steps), and the objective
      of each step, [steps], in nats per vector.
    """
    optimizer = clipped_adam(options.learning_rate, options.steps)

    def parts(params, x):
        """Return (mean ln u, ln C_k) of one set of samples."""
        log_u = jax.vmap(nnx.merge(graphdef, params))(x)
        fixed = jax.lax.stop_gradient(log_u)
        _, y = log_supremum(x, fixed, slope, options.starts, TRAINING_SHIFTS)
        y = jax.lax.stop_gradient(y)
        terms = -slope * ((x - y) ** 2).sum(1) - log_u
        return log_u.mean(), jax.nn.logsumexp(terms) - jnp.log(len(x))

    def loss(params, x):
        log_u, log_c = jax.vmap(parts, (None, 0))(params, x)
        log_mean = jax.nn.logsumexp(log_c) - jnp.log(options.draws)
        return log_u.mean() + log_mean, log_mean

    def step(carry, index):
        params, opt_state = carry
        x = source.sample(jax.random.fold_in(key, index), options.draws * options.samples)
        x = x.reshape(options.draws, options.samples, -1)
        (value, log_c), gradient = jax.value_and_grad(loss, has_aux=True)(params, x)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), opt_state), (log_c, -value)

    (params, _), (log_c, trace) = jax.lax.scan(
        step, (params, optimizer.init(params)), jnp.arange(options.steps)
    )
    tail = log_c[-max(1, options.steps // 10) :]
    return params, jnp.log(jnp.mean(jnp.exp(tail - tail.max()))) + tail.max(), trace
