"""R, D and J of one datum: the only place where they are put together.

    J = R + λ·D

R in bits per pixel (per dimension for vectors), D = peak² · mean squared
error, that is MSE on the 0–255 scale for images. Training averages J over a
data set and minimizes over weights; refinement minimizes J of one datum over
its posterior; evaluation reports it. What differs is the channel.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rdbound.channels import Channel
from rdbound.models.base import Inference, LatentModel
from rdbound.ops.distributions import Gaussian
from rdbound.sources.base import Datum

__all__ = ["Terms", "amortized", "clip", "convey", "eight_bit", "objective", "real"]


class Terms(NamedTuple):
    """J and its parts: ``J`` and ``bpp`` per pixel, ``mse`` on the peak's scale,
    ``bits`` the total of each level, ``x_hat`` the reconstruction (padded).
    """

    J: jax.Array
    bpp: jax.Array
    mse: jax.Array
    bits: tuple[jax.Array, ...]
    x_hat: jax.Array


def real(x) -> jax.Array:
    """The reconstruction as it is: for optimization, where gradients must pass."""
    return x


def clip(x) -> jax.Array:
    """Clipped to [0, 1]: a decoder that a bound on images is allowed."""
    return jnp.clip(x, 0.0, 1.0)


def eight_bit(x) -> jax.Array:
    """Clipped and rounded to the 8-bit grid: what a codec of 8-bit images outputs."""
    return jnp.round(jnp.clip(x, 0.0, 1.0) * 255.0) / 255.0


def convey(model: LatentModel, channel: Channel, inference: Sequence[Inference], key, lmbda):
    """Walk the levels: prior, channel, next level.

    Returns (latents, bits, posteriors): per level, the sample conveyed, the
    rate of each of its elements, and the posterior it was drawn from.
    """
    latents: list[jax.Array] = []
    bits: list[jax.Array] = []
    posteriors: list[Gaussian] = []
    for level, (q, level_key) in enumerate(
        zip(inference, jax.random.split(key, len(inference)), strict=True)
    ):
        posterior = q(tuple(latents)) if callable(q) else q
        prior = model.prior(level, tuple(latents), lmbda)
        sample, level_bits = channel(posterior, prior, level_key)
        latents.append(sample)
        bits.append(level_bits)
        posteriors.append(posterior)
    return tuple(latents), tuple(bits), tuple(posteriors)


def amortized(
    model: LatentModel, channel: Channel, datum: Datum, key, lmbda
) -> tuple[Gaussian, ...]:
    """The posteriors that the inference networks propose, all levels.

    Where the inference is hierarchical, a level's posterior is the one proposed
    given the latents that ``channel`` conveyed above it.
    """
    return convey(model, channel, model.infer(datum.x, lmbda), key, lmbda)[2]


def objective(
    model: LatentModel,
    channel: Channel,
    datum: Datum,
    key: jax.Array,
    lmbda,
    inference: Sequence[Inference] | None = None,
    decode: Callable[[jax.Array], jax.Array] = real,
) -> Terms:
    """R, D and J of one datum through one channel.

    Args:
      model: the latent model.
      channel: how each level is conveyed.
      datum: what is compressed.
      key: of the channel's noise.
      lmbda: λ, scalar; multiplies MSE on the peak's scale (0–255 for images).
      inference: posteriors in place of the model's own (refinement).
      decode: the last step of the decoder: :func:`real`, :func:`clip` or
        :func:`eight_bit`.
    """
    if inference is None:
        inference = model.infer(datum.x, lmbda)
    latents, bits, _ = convey(model, channel, inference, key, lmbda)
    x_hat = decode(model.synthesize(latents, lmbda))
    totals = tuple(jnp.sum(b) for b in bits)
    bpp = sum(totals[1:], totals[0]) / datum.pixels
    mse = _masked_mse(datum, x_hat) * model.peak**2
    return Terms(bpp + lmbda * mse, bpp, mse, totals, x_hat)


def _masked_mse(datum: Datum, x_hat) -> jax.Array:
    mask = jnp.broadcast_to(datum.mask, datum.x.shape)
    return jnp.sum(mask * (datum.x - x_hat) ** 2) / jnp.sum(mask)
