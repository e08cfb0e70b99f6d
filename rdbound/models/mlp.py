"""A small model of vectors, through the same interface as the models of images."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from rdbound.models.factorized import FactorizedPrior, check_form
from rdbound.models.layers import RateEmbedding, leaky_relu
from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["MLP"]


class Dense(nnx.Module):
    """Linear layers with leaky ReLUs between; a single linear map where ``hidden`` is empty."""

    def __init__(self, width_in: int, hidden: Sequence[int], width_out: int, rngs: nnx.Rngs):
        sizes = [width_in, *hidden, width_out]
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in itertools.pairwise(sizes)])

    def __call__(self, x):
        """[width_in] → [width_out]."""
        for layer in self.layers[:-1]:
            x = leaky_relu(layer(x))
        return self.layers[-1](x)


class MLP(nnx.Module):
    """One level of ``latent`` dimensions between two perceptrons.

    Args:
      dimension: n of the vectors [n].
      latent: dimensions of the latent; n by default.
      hidden: widths of the hidden layers; empty for a linear model.
      form: ``bound`` or ``codec``, the family of the factorized prior.
      lmbda_range: (low, high), equal for a fixed rate. A variable-rate model
        sees an embedding of log λ beside its input.
      seed: of the initial weights.
    """

    stride = 1
    peak = 1.0

    def __init__(self, dimension: int, latent: int | None = None, hidden: Sequence[int] = (64, 64),
                 form: str = "bound", lmbda_range=(1.0, 1.0), seed: int = 0):  # fmt: skip
        latent = dimension if latent is None else latent
        self.form = check_form(form)
        self.lmbda_range = tuple(lmbda_range)
        rngs = nnx.Rngs(seed)
        e = 16 if lmbda_range[0] < lmbda_range[1] else 0
        self.embedding = RateEmbedding(self.lmbda_range, e, rngs=rngs) if e else None
        self.encoder = Dense(dimension + e, hidden, 2 * latent, rngs)
        self.decoder = Dense(latent + e, hidden, dimension, rngs)
        self.top = FactorizedPrior(latent, form)

    def _with_rate(self, x, lmbda):
        if self.embedding is None:
            return x
        return jnp.concatenate([x, self.embedding(jnp.asarray(lmbda, jnp.float32))])

    def infer(self, x, lmbda) -> tuple[Gaussian]:
        """Vector [n] → the posterior of the latent."""
        mu, log_sigma = jnp.split(self.encoder(self._with_rate(x, lmbda)), 2)
        return (Gaussian(mu, log_sigma - 1.0),)

    def prior(self, level, latents, lmbda) -> Prior:
        """The factorized prior, [latent]."""
        return self.top()

    def synthesize(self, latents, lmbda) -> jax.Array:
        """The latent → [n]."""
        return self.decoder(self._with_rate(latents[0], lmbda))
