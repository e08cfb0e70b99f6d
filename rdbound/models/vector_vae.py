"""A small model of vectors, through the same interface as the models of images.

On sources whose R(D) is known it is held against the truth: a linear one reaches
R(D) = ½·log₂(σ²/D) of a Gaussian, and the richer posteriors and priors show what a
factorized family costs where the source is not Gaussian.

Normalizing flows of vectors: a coupling prior and an autoregressive posterior.

A flow's density is that of its base, changed by the volume of the map:
ln p(z) = ln p_base(f(z)) + ln |det ∂f/∂z|. Both maps here are triangular, so that
the determinant is a sum of log-scales. The prior is fast from z to its density,
the posterior from noise to its sample: each is asked for nothing else.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from pydantic import validate_call

from rdbound.models.factorized_prior import FactorizedPrior, check_form
from rdbound.models.layers import RateEmbedding, leaky_relu
from rdbound.ops import gaussian
from rdbound.ops.distributions import Draws, FullGaussian, Gaussian, HasDensity, JointMixture, Prior
from rdbound.utils.registry import OPTIONS

__all__ = [
    "AutoregressiveGaussian",
    "CouplingFlow",
    "Dense",
    "MLP",
    "MaskedPerceptron",
    "POSTERIORS",
    "PRIORS",
]


def _bounded(log_scale: jax.Array) -> jax.Array:
    """Log-scales kept within ±3: a layer of a flow that cannot run away."""
    return 3.0 * jnp.tanh(log_scale / 3.0)


class CouplingFlow(nnx.Module):
    """A prior p(z) by affine couplings (Dinh, Sohl-Dickstein & Bengio 2017).

    Each of ``layers`` shifts and scales one half of the coordinates by a
    function of the other; halves alternate. Starts as N(0, I). Needs two
    dimensions at least. In each layer, with m the coordinates that are kept,

        z ← (z − t(m))·exp(−s(m)) elsewhere,  ln p gains −Σ s(m)

    and after the last the density of a learned N(μ, σ²) is added.

    Args:
      dimension: n of the vectors [n].
      layers: couplings.
      hidden: width of their networks of two hidden layers.
      rngs: of the initial weights.

    Raises ValueError for one dimension.
    """

    def __init__(self, dimension: int, layers: int = 6, hidden: int = 32, *, rngs: nnx.Rngs):
        if dimension < 2:
            raise ValueError("a coupling flow needs at least two dimensions; use prior: mixture")
        self.mu = nnx.Param(jnp.zeros((dimension,)))
        self.log_sigma = nnx.Param(jnp.zeros((dimension,)))
        zeros = nnx.initializers.zeros
        self.hidden = nnx.List([nnx.Linear(dimension, hidden, rngs=rngs) for _ in range(layers)])
        self.middle = nnx.List([nnx.Linear(hidden, hidden, rngs=rngs) for _ in range(layers)])
        self.out = nnx.List(
            [nnx.Linear(hidden, 2 * dimension, kernel_init=zeros, rngs=rngs) for _ in range(layers)]
        )

    def __call__(self) -> "CouplingFlow":
        """Itself: like every prior module, called for the density it stands for."""
        return self

    def log_density(self, z: jax.Array) -> jax.Array:
        """Ln p(z) of a vector [n], a scalar."""
        total = jnp.zeros(())
        for i, (first, second, out) in enumerate(
            zip(self.hidden, self.middle, self.out, strict=True)
        ):
            mask = np.arange(len(z)) % 2 == i % 2
            kept = jnp.where(mask, z, 0.0)
            h = leaky_relu(second(leaky_relu(first(kept))))
            shift, log_scale = jnp.split(out(h), 2)
            log_scale = jnp.where(mask, 0.0, _bounded(log_scale))
            z = jnp.where(mask, z, (z - shift) * jnp.exp(-log_scale))
            total = total - log_scale.sum()
        return total + gaussian.log_density(z, self.mu[...], self.log_sigma[...]).sum()


class MaskedPerceptron(nnx.Module):
    """[n] and a context → [2n]; outputs i and n + i see inputs before i only (MADE, 2015).

    The context reaches every hidden unit. Its last layer starts at zero.
    """

    def __init__(self, dimension: int, context: int, hidden: int, *, rngs: nnx.Rngs):
        self.first = nnx.Linear(dimension, hidden, rngs=rngs)
        self.context = nnx.Linear(context, hidden, rngs=rngs)
        self.out = nnx.Linear(hidden, 2 * dimension, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(self, x, context):
        """Apply with both kernels masked."""
        places = np.arange(len(x))
        hidden = len(self.first.bias[...])
        # A hidden unit of degree d sees inputs up to d, an output i units below i.
        degrees = np.arange(hidden) % max(len(x) - 1, 1)
        mask_in = (places[:, None] <= degrees).astype(np.float32)
        mask_out = np.tile((degrees[:, None] < places).astype(np.float32), (1, 2))
        h = x @ (self.first.kernel[...] * mask_in) + self.first.bias[...]
        h = leaky_relu(h + self.context(context))
        return h @ (self.out.kernel[...] * mask_out) + self.out.bias[...]


class AutoregressiveGaussian(NamedTuple):
    """A posterior by inverse autoregressive flow (Kingma et al. 2016).

    ``base`` is drawn first; then coordinate i is scaled and shifted by
    functions of the base's coordinates before it and of ``context``:

        ε ~ N(0, I),  z_i = μ_i + σ_i·ε_i·exp(s_i) + t_i,  (t, s) of ε_<i and context
        ln q(z) = Σ_i ln N(ε_i; 0, 1) − ln σ_i − s_i

    Attributes:
      base: the factorized Gaussian of the encoder.
      context: what the network is told beside the noise.
      network: gives shifts and log-scales, [2n].
    """

    base: Gaussian
    context: jax.Array
    network: MaskedPerceptron

    def draw(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(sample, ln of its density), [n] each."""
        z, log_q = self.base.draw(key)
        standardized = (z - self.base.mu) * jnp.exp(-gaussian.bounded(self.base.log_sigma))
        shift, log_scale = jnp.split(self.network(standardized, self.context), 2)
        log_scale = _bounded(log_scale)
        # Around the base's mean, so that an untrained flow is the base itself.
        sample = self.base.mu + (z - self.base.mu) * jnp.exp(log_scale) + shift
        return sample, log_q - log_scale


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

    def __call__(self, x: jax.Array) -> jax.Array:
        """[width_in] → [width_out]."""
        for layer in self.layers[:-1]:
            x = leaky_relu(layer(x))
        return self.layers[-1](x)


POSTERIORS = ("factorized", "full", "autoregressive")


PRIORS = ("gaussian", "mixture", "flow")


class Conditional(NamedTuple):
    """Variational parameters of an autoregressive posterior: its base, and the context its flow is
    given.
    """

    base: Gaussian
    context: jax.Array


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
      components: of the mixture.
      seed: of the initial weights.

    Raises ValueError for an unknown posterior or prior, or one that is no codec's.
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
        self.lmbda_range = tuple(lmbda_range)
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
        """A linear model starts as a random rotation and its inverse.

        Two independent random matrices are as far from each other's inverse as
        can be, and in a thousand dimensions Adam needs long to bring them together.
        """
        size = max(dimension, latent)
        turn, _ = jnp.linalg.qr(jax.random.normal(rngs.params(), (size, size)))
        self.start_from(turn[:dimension, :latent])

    def start_from(self, transform: jax.Array) -> None:
        """Make a linear model ``transform`` [n, latent] and, backwards, its transpose."""
        dimension, latent = transform.shape
        into, out = self.encoder.layers[-1].kernel, self.decoder.layers[-1].kernel
        into[...] = into[...].at[:dimension, :latent].set(transform)
        out[...] = out[...].at[:latent].set(transform.T)

    def _with_rate(self, x, lmbda):
        if self.embedding is None:
            return x
        return jnp.concatenate([x, self.embedding(jnp.asarray(lmbda, jnp.float32))])

    def infer(self, x: jax.Array, lmbda: jax.Array) -> tuple[Gaussian | FullGaussian | Conditional]:
        """[n] → the variational parameters of the latent, [latent]."""
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
        latents: Sequence[jax.Array],
        variational: Gaussian | FullGaussian | Conditional,
        lmbda: jax.Array,
    ) -> Gaussian | FullGaussian | Draws:
        """The variational parameters itself; of an autoregressive posterior, with the flow that
        draws it.

        Args: as :meth:`rdbound.models.base.Flat.posterior`, which asks; of ``level``,
        ``latents`` and ``lmbda`` nothing is needed here.
        """
        if isinstance(variational, Conditional):
            return AutoregressiveGaussian(*variational, self.flow)
        return variational

    def _moments(self, x):
        """Mean and log-scale of the latent, from the encoder's input."""
        if hasattr(self, "log_sigma"):
            e = self.log_sigma.kernel.shape[0]
            rate = x[-e:] if self.embedding is not None else jnp.zeros((1,))
            return self.gain_in[...] * self.encoder(x), self.log_sigma(rate)
        mu, log_sigma = jnp.split(self.encoder(x), 2)
        return mu, log_sigma

    def prior(
        self, level: int, latents: Sequence[jax.Array], lmbda: jax.Array
    ) -> Prior | HasDensity:
        """The prior of the latent."""
        return self.top()

    def synthesize(self, latents: Sequence[jax.Array], lmbda: jax.Array) -> jax.Array:
        """The latent → [n]."""
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
        """The mixture, its weights normalized."""
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
