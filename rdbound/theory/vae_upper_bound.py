"""The neural upper bound: a β-VAE trained and evaluated through the project's own objective.

R = E KL(q(z|X) ‖ p(z)) and D = E d(X, g(Z)) of any posterior q, prior p and
synthesis g give a point above R(D) (Yang & Mandt 2022, eq. 4). What the three
are is the model's choice (:class:`rdbound.models.vector_vae.MLP`); with a richer
posterior family the bound falls, and the difference is the posterior family gap
(:mod:`rdbound.analysis.posterior_family_gap`).
"""

import math
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from rdbound.channels import Channel, make_channel
from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.models import make_model
from rdbound.models.base import LatentModel
from rdbound.models.vector_vae import MLP
from rdbound.optimization.training_options import TrainingOptions
from rdbound.optimization.training_step import init, make_step
from rdbound.sources.base import Source, Stream, check_memory
from rdbound.theory.base import Estimate, Several, check_squared, solve_each
from rdbound.utils.registry import OPTIONS

__all__ = ["NeuralUpper"]

KLT_SAMPLES, KLT_DRAWS = 200_000, 20


@dataclass(frozen=True, config=OPTIONS)
class NeuralUpper:
    """A β-VAE as an estimator; see :class:`rdbound.models.vector_vae.MLP` for the model's options.

    Attributes:
      latent: dimensions of the latent; 0 for those of the source.
      hidden: widths of the hidden layers; empty for a linear model.
      posterior: family of posteriors.
      prior: family of priors.
      start: initialization of a linear model: a ``random`` rotation, or the Karhunen–Loève
        transform (``klt``) of samples, from which a thousand dimensions are learned in a
        fraction of the steps.
      steps: training steps.
      batch: samples per step.
      learning_rate: learning rate of Adam, with a cosine decay.
      test: number of fresh vectors for R, D and the standard error.
    """

    latent: NonNegativeInt = 0
    hidden: tuple[PositiveInt, ...] = (64, 64)
    posterior: Literal["factorized", "full", "autoregressive"] = "factorized"
    prior: Literal["gaussian", "mixture", "flow"] = "gaussian"
    start: Literal["random", "klt"] = "random"
    steps: PositiveInt = 3_000
    batch: PositiveInt = 256
    learning_rate: PositiveFloat = 3e-3
    test: Several = 50_000

    @property
    def name(self) -> str:
        """Return ``neural-upper``, with the families other than the simplest."""
        extra = [x for x in (self.posterior, self.prior) if x not in ("factorized", "gaussian")]
        return "-".join(["neural-upper", *extra])

    def solve(
        self, source: Source, lmbdas: Sequence[float], seed: int = 0
    ) -> list[Estimate[LatentModel]]:
        """Compute upper bounds; certificates are the trained models, one for each λ.

        Raises:
          ValueError: if a λ is not positive, the source has no squared error, a model with hidden
            layers has ``start="klt"``, memory does not hold the test vectors, or the loss stops
            being finite.
        """
        check_squared(source, self.name)
        if self.start == "klt" and self.hidden:
            raise ValueError(f"{self.name}: only a linear model starts from the KLT: hidden: []")
        check_memory(64.0 * self.test * source.dimension, f"{self.test} test vectors")
        if self.posterior == "full":
            n = self.latent or source.dimension
            check_memory(8.0 * self.test * n**2, f"{self.test} covariances of {n} dimensions")
        return solve_each(source, lmbdas, lambda lmbda: self._estimate(source, lmbda, seed))

    def _estimate(self, source: Source, lmbda: float, seed: int) -> Estimate[LatentModel]:
        model, trace = self._fit(source, lmbda, seed)
        examples = VectorExamples("source", source, self.test, 1, seed + 2**30)
        options = EvaluationOptions(
            lmbdas=(lmbda,),
            samples=1,
            methods=("bound" if self._channel() == make_channel("gaussian") else "bound-sampled",),
            seed=seed + 2**29,
        )
        (row,) = evaluate(Checkpoint(model, {}, None, self.name), examples, options)
        return Estimate(
            source=source,
            method=self,
            seed=seed,
            side="upper",
            lmbda=lmbda,
            rate=row.bpp,
            distortion=row.mse,
            standard_error=row.J_se if row.J_se is not None else math.nan,
            certificate=model,
            trace=trace,
        )

    def _fit(self, source: Source, lmbda: float, seed: int) -> tuple[LatentModel, np.ndarray]:
        """Return the model with its weights averaged over the last steps, and J of each step."""
        model, options = self._start(source, lmbda, seed), self._options()
        graphdef, state = nnx.split(model)
        step, _, _ = make_step(graphdef, self._channel(), options, devices=jax.devices()[:1])
        carry = init(nnx.to_pure_dict(state), options)
        batches, key = Stream(source, self.batch, seed), jax.random.key(seed + 2**27)
        trace = []
        for _ in range(self.steps):
            carry, metrics = step(carry, next(batches), key)
            trace.append(metrics["J"])
        if int(carry.failed_at) >= 0:
            raise ValueError(
                f"{self.name}: the loss stopped being finite at step {int(carry.failed_at)}; "
                "lower the learning rate"
            )
        nnx.replace_by_pure_dict(state, carry.ema)
        return nnx.merge(graphdef, state), np.asarray(jax.device_get(trace), np.float32)

    def _start(self, source: Source, lmbda: float, seed: int) -> LatentModel:
        model = make_model(
            "mlp",
            "bound",
            lmbda,
            dimension=source.dimension,
            latent=self.latent or None,
            hidden=self.hidden,
            posterior=self.posterior,
            prior=self.prior,
            seed=seed,
        )
        if self.start == "klt":
            assert isinstance(model, MLP)
            model.start_from(_klt(source, self.latent or source.dimension, seed))
        return model

    def _options(self) -> TrainingOptions:
        return TrainingOptions(
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            warmup=min(100, self.steps // 10),
            ema=0.99,
            clip=10.0,
        )

    def _channel(self) -> Channel:
        analytic = self.posterior == "factorized" and self.prior == "gaussian"
        return make_channel("gaussian" if analytic else "sampled")


def _klt(source: Source, latent: int, seed: int) -> jax.Array:
    """Return the leading eigenvectors of the covariance of samples, [n, latent]."""
    second = jnp.zeros((source.dimension, source.dimension))
    mean = jnp.zeros(source.dimension)
    keys = jax.random.split(jax.random.key(seed + 2**28), KLT_DRAWS)
    # The covariance does not depend on the origin, but its rounding does.
    origin = source.sample(keys[0], KLT_SAMPLES // KLT_DRAWS).mean(0)
    for key in keys:
        x = source.sample(key, KLT_SAMPLES // KLT_DRAWS) - origin
        second, mean = second + x.T @ x / KLT_SAMPLES, mean + x.sum(0) / KLT_SAMPLES
    _, vectors = jnp.linalg.eigh(second - jnp.outer(mean, mean))
    return vectors[:, ::-1][:, :latent]
