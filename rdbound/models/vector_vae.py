"""A small model of vectors, through the same interface as the models of images.

On sources whose R(D) is known it is compared with the truth: a linear model reaches
R(D) = ½·log₂(σ²/D) of a Gaussian, and the richer posteriors and priors show the excess of a
factorized family on other sources.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, ScalarLike
from pydantic import validate_call

from rdbound.models.factorized_prior import FactorizedPrior, check_form
from rdbound.models.flows import AutoregressiveGaussian, CouplingFlow, MaskedPerceptron
from rdbound.models.layers import RateEmbedding, leaky_relu
from rdbound.ops.distributions import Draws, FullGaussian, Gaussian, HasDensity, JointMixture, Prior
from rdbound.utils.registry import OPTIONS

__all__ = ["MLP", "POSTERIORS", "PRIORS", "Dense"]


class Dense(nnx.Module):
    """Linear layers with leaky ReLUs between; a single linear map where ``hidden`` is empty."""

    def __init__(
        self,
        width_in: int,
        hidden: Sequence[int],
        width_out: int,
        rngs: nnx.Rngs,
        zero: bool = False,
    ):
        sizes = [width_in, *hidden, width_out]
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in itertools.pairwise(sizes)])
        if zero:  # the map starts as the zero function
            self.layers[-1].kernel[...] = jnp.zeros_like(self.layers[-1].kernel[...])

    def __call__(self, x: Float[Array, " width_in"]) -> Float[Array, " width_out"]:
        """Apply the layers, [width_in] → [width_out]."""
        for layer in self.layers[:-1]:
            x = leaky_relu(layer(x))
        return self.layers[-1](x)


POSTERIORS = ("factorized", "full", "autoregressive")


PRIORS = ("gaussian", "mixture", "flow")


class Conditional(NamedTuple):
    """Variational parameters of an autoregressive posterior: its base and its flow's context."""

    base: Gaussian
    context: Float[Array, " c"]


class MLP(nnx.Module):
    """One level of ``latent`` dimensions between two perceptrons.

    Args:
      dimension: n of the vectors [n].
      latent: dimensions of the latent; n by default.
      hidden: widths of the hidden layers; empty for a linear model, which has a
        gain for each latent on either side beside its matrices.
      form: ``bound`` or ``codec``, the family of the factorized prior.
      lmbda_range: (low, high), equal for a fixed rate. A variable-rate model
        sees an embedding of log λ beside its input.
      posterior: ``factorized`` Gaussian; ``full``-covariance Gaussian; or
        ``autoregressive`` (inverse autoregressive flow). All but the first need
        the sampled channel and form ``bound``.
      prior: ``gaussian``, factorized; ``mixture`` of ``components`` Gaussians;
        or a ``flow``. All but the first need the sampled channel and form ``bound``.
      components: number of Gaussians of the mixture.
      seed: seed of the initial weights.

    Raises:
      ValueError: for an unknown posterior or prior, or one that a codec cannot have.
    """

    stride = 1

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        dimension: int,
        latent: int | None = None,
        hidden: Sequence[int] = (64, 64),
        form: str = "bound",
        lmbda_range: Sequence[float] = (1.0, 1.0),
        posterior: str = "factorized",
        prior: str = "gaussian",
        components: int = 8,
        seed: int = 0,
    ):
        self.dimension = dimension
        latent = dimension if latent is None else latent
        self.form = check_form(form)
        self.lmbda_range = (lmbda_range[0], lmbda_range[1])
        self.posterior_family = _one_of("posterior", posterior, POSTERIORS, form)
        rngs = nnx.Rngs(seed)
        e = 16 if lmbda_range[0] < lmbda_range[1] else 0
        self.embedding = RateEmbedding(self.lmbda_range, e, rngs=rngs) if e else None
        # The log-scales of a linear model do not depend on x, as those of the
        # optimal Gaussian channel do not; those of the others start so.
        self.encoder = Dense(dimension + e, hidden, latent if not hidden else 2 * latent, rngs)
        if hidden:
            last = self.encoder.layers[-1].kernel
            last[...] = last[...].at[:, latent:].set(0.0)
        else:
            zeros = nnx.initializers.zeros
            self.log_sigma = nnx.Linear(max(e, 1), latent, kernel_init=zeros, rngs=rngs)
        self.decoder = Dense(latent + e, hidden, dimension, rngs)
        if not hidden:
            # One number shuts a latent that is not worth its rate. Left to its
            # n weights, each would have to come to zero against its own noise.
            self.gain_in, self.gain_out = (nnx.Param(jnp.ones((latent,))) for _ in range(2))
            self._start_orthogonal(dimension, latent, rngs)
        self.top = _make_prior(
            _one_of("prior", prior, PRIORS, form), latent, form, components, rngs
        )
        if posterior == "full":
            self.lower = Dense(dimension + e, hidden, latent**2, rngs, zero=True)
        elif posterior == "autoregressive":
            width = max(32, 4 * latent)
            self.flow = MaskedPerceptron(latent, dimension + e, width, rngs=rngs)

    def _start_orthogonal(self, dimension: int, latent: int, rngs: nnx.Rngs) -> None:
        """Start a linear model as a random rotation and its inverse.

        Two independent random matrices are as far from each other's inverse as
        can be, and in a thousand dimensions Adam needs long to bring them together.
        """
        size = max(dimension, latent)
        turn, _ = jnp.linalg.qr(jax.random.normal(rngs.params(), (size, size)))
        self.start_from(turn[:dimension, :latent])

    def start_from(self, transform: Float[Array, "n latent"]) -> None:
        """Make a linear model ``transform`` [n, latent] and, backwards, its transpose."""
        dimension, latent = transform.shape
        into, out = self.encoder.layers[-1].kernel, self.decoder.layers[-1].kernel
        into[...] = into[...].at[:dimension, :latent].set(transform)
        out[...] = out[...].at[:latent].set(transform.T)

    def _with_rate(self, x, lmbda):
        if self.embedding is None:
            return x
        return jnp.concatenate([x, self.embedding(jnp.asarray(lmbda, jnp.float32))])

    def infer(
        self, x: Float[Array, " n"], lmbda: ScalarLike
    ) -> tuple[Gaussian | FullGaussian | Conditional]:
        """Return the variational parameters of the latent, [latent], of a vector [n]."""
        x = self._with_rate(x, lmbda)
        mu, log_sigma = self._moments(x)
        q = Gaussian(mu, log_sigma - 1.0)
        if self.posterior_family == "full":
            n = len(q.mu)
            # Relative to the row's scale: correlations of order one at any scale.
            lower = self.lower(x).reshape(n, n) * jnp.exp(q.log_sigma)[:, None]
            return (FullGaussian(q.mu, q.log_sigma, lower),)
        if self.posterior_family == "autoregressive":
            return (Conditional(q, x),)
        return (q,)

    def posterior(
        self,
        level: int,
        latents: Sequence[Float[Array, " latent"]],
        variational: Gaussian | FullGaussian | Conditional,
        lmbda: ScalarLike,
    ) -> Gaussian | FullGaussian | Draws:
        """Return the variational parameters, with its flow for an autoregressive posterior.

        ``level``, ``latents`` and ``lmbda`` belong to the interface of
        :class:`rdbound.models.base.Flat` and are not used here.
        """
        if isinstance(variational, Conditional):
            return AutoregressiveGaussian(*variational, self.flow)
        return variational

    def _moments(self, x):
        """Return mean and log-scale of the latent from the encoder's input."""
        if hasattr(self, "log_sigma"):
            e = self.log_sigma.kernel.shape[0]
            rate = x[-e:] if self.embedding is not None else jnp.zeros((1,))
            return self.gain_in[...] * self.encoder(x), self.log_sigma(rate)
        mu, log_sigma = jnp.split(self.encoder(x), 2)
        return mu, log_sigma

    def prior(
        self, level: int, latents: Sequence[Float[Array, " latent"]], lmbda: ScalarLike
    ) -> Prior | HasDensity:
        """Return the prior of the latent."""
        return self.top()

    def synthesize(
        self, latents: Sequence[Float[Array, " latent"]], lmbda: ScalarLike
    ) -> Float[Array, " n"]:
        """Return the reconstruction [n] of the latent."""
        z = latents[0]
        if hasattr(self, "gain_out"):
            z = self.gain_out[...] * z
        return self.decoder(self._with_rate(z, lmbda))


class MixturePrior(nnx.Module):
    """p(z) = Σ_k w_k·∏_i N(z_i; μ_ki, σ_ki²) over whole vectors; means start at random."""

    def __init__(self, dimension: int, components: int, *, rngs: nnx.Rngs):
        self.weight = nnx.Param(jnp.zeros((components,)))
        self.mu = nnx.Param(jax.random.normal(rngs.params(), (components, dimension)))
        self.log_sigma = nnx.Param(jnp.zeros((components, dimension)))

    def __call__(self) -> JointMixture:
        """Return the mixture, its weights normalized."""
        return JointMixture(jax.nn.log_softmax(self.weight[...]), self.mu[...], self.log_sigma[...])


def _make_prior(prior: str, latent: int, form: str, components: int, rngs: nnx.Rngs):
    if prior == "mixture":
        return MixturePrior(latent, components, rngs=rngs)
    if prior == "flow":
        return CouplingFlow(latent, rngs=rngs)
    return FactorizedPrior(latent, form)


def _one_of(what: str, value: str, known: Sequence[str], form: str) -> str:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}: choose one of {', '.join(known)}")
    if form == "codec" and value != known[0]:
        raise ValueError(f"a codec has the {known[0]} {what}, not {value!r}")
    return value
