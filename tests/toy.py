"""Latent models that are not part of the package."""

from functools import cache

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.evaluation.vbq_calibration import calibrated
from rdbound.ops.discretized_logistic import PixelDistribution
from rdbound.ops.distributions import Gaussian, Mixture

SPEC = {"name": "tests.toy:Toy", "form": "codec", "lmbda": [0.001, 0.1]}
LOSSLESS_SPEC = {"name": "tests.toy:LosslessToy", "form": "bound", "lmbda": [1.0, 1.0]}
OUTSIDE = ("tests.toy:Toy", "tests.toy:LosslessToy")


def _patches(x):
    h, w, c = x.shape
    x = x.reshape(h // 8, 8, w // 8, 8, c).transpose(0, 2, 1, 3, 4)
    return x.reshape(h // 8, w // 8, 64 * c)


def _unpatches(x):
    h, w, _ = x.shape
    return x.reshape(h, w, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(8 * h, 8 * w, 3)


class Toy(nnx.Module):
    stride = 8

    def __init__(self, form="codec", lmbda_range=(0.001, 0.1), seed=0):
        self.form = form
        self.lmbda_range = tuple(lmbda_range)
        rngs = nnx.Rngs(seed)
        self.encode = nnx.Linear(192, 16, rngs=rngs)
        self.decode = nnx.Linear(16, 192, rngs=rngs)
        self.summarize = nnx.Linear(16, 4, rngs=rngs)
        self.predict = nnx.Linear(4, 32, rngs=rngs)

    def infer(self, x, lmbda):
        y = 20.0 * jnp.sqrt(lmbda) * self.encode(_patches(x - 0.5))
        z = self.summarize(y)
        wide = jnp.full(z.shape, -1.5)
        return Gaussian(z, wide), Gaussian(y, jnp.full(y.shape, -1.5))

    def prior(self, level, latents, lmbda):
        if level == 0:
            if self.form == "bound":
                return Gaussian(jnp.zeros(4), jnp.full(4, 2.0))
            weight = jnp.log(jnp.full((4, 2), 0.5))
            return Mixture(
                weight, jnp.zeros((4, 2)), jnp.tile(jnp.array([1.0, 3.0]), (4, 1)), jnp.zeros(4)
            )
        mu, log_sigma = jnp.split(self.predict(latents[0]), 2, axis=-1)
        return Gaussian(mu, 1.5 + jnp.tanh(log_sigma))

    def synthesize(self, latents, lmbda):
        return _unpatches(self.decode(latents[1] / (20.0 * jnp.sqrt(lmbda)))) + 0.5


class LosslessToy(Toy):
    """A bound that says a distribution of pixels."""

    lossless = True

    def __init__(self, form="bound", lmbda_range=(1.0, 1.0), seed=0):
        super().__init__(form, lmbda_range, seed)

    def synthesize(self, latents, lmbda):
        mu = 255.0 * super().synthesize(latents, lmbda)
        return PixelDistribution(mu, jnp.full(mu.shape, 3.0), jnp.full(mu.shape, 0.3))


@cache
def code_points():
    """The tables of code points of the toy's bound, counted on noise."""
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 256, (80, 120, 3), dtype=np.uint8) for _ in range(4)]
    return calibrated(Toy("bound"), images, (0.001, 0.01, 0.1))


class Successive(nnx.Module):
    """Successive refinement of N(0, variance) in two levels (Equitz & Cover 1991).

    At ``gain`` 1 its J is exactly the least of R(D) + λ·D: the first level leaves
    the distortion ``first``, the second the water level of λ. Another gain scales
    what the encoder believes of x, and costs. The second posterior depends on
    what was conveyed of the first.
    """

    stride, form = 1, "bound"

    def __init__(self, variance=4.0, first=1.0, lmbda=2.0, gain=1.0):
        self.lmbda_range = (lmbda, lmbda)
        self.gain = gain
        self.targets = (variance, first, 1.0 / (2.0 * np.log(2.0) * lmbda))
        self.shift = nnx.Param(jnp.zeros(()))

    def infer(self, x, lmbda):
        return self.gain * x, self.gain * x

    def start(self, lmbda):
        return jnp.zeros(1)

    def _stage(self, level):
        before, after = self.targets[level : level + 2]
        return before - after, 1.0 - after / before, after

    def prior(self, level, state):
        spread, _, _ = self._stage(level)
        return Gaussian(jnp.zeros(1), jnp.full(1, 0.5 * np.log(spread)))

    def posterior(self, level, state, variational):
        _, share, after = self._stage(level)
        return Gaussian(share * (variational - state), jnp.full(1, 0.5 * np.log(share * after)))

    def absorb(self, level, state, latent):
        return state + latent

    def synthesize(self, state):
        return state + self.shift[...]
