"""A latent model that is not part of the package: two levels, linear, stride 8."""

import jax.numpy as jnp
from flax import nnx

from rdbound.ops.distributions import Gaussian, Mixture

SPEC = {"name": "tests.toy:Toy", "form": "codec", "lmbda": [0.001, 0.1]}


def _patches(x):
    h, w, c = x.shape
    x = x.reshape(h // 8, 8, w // 8, 8, c).transpose(0, 2, 1, 3, 4)
    return x.reshape(h // 8, w // 8, 64 * c)


def _unpatches(x):
    h, w, _ = x.shape
    return x.reshape(h, w, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(8 * h, 8 * w, 3)


class Toy(nnx.Module):
    stride = 8
    peak = 255.0

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
            return Mixture(weight, jnp.zeros((4, 2)), jnp.tile(jnp.array([1.0, 3.0]), (4, 1)),
                           jnp.zeros(4))  # fmt: skip
        mu, log_sigma = jnp.split(self.predict(latents[0]), 2, axis=-1)
        return Gaussian(mu, 1.5 + jnp.tanh(log_sigma))

    def synthesize(self, latents, lmbda):
        return _unpatches(self.decode(latents[1] / (20.0 * jnp.sqrt(lmbda)))) + 0.5
