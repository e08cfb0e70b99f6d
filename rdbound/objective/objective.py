"""R, D and J of one datum: the only place where they are put together.

    J = R + λ·D

R in bits per pixel (per dimension for vectors), D a distortion, MSE on the 0–255
scale for images unless another is given. Training averages J over a data set and
minimizes over weights; refinement minimizes J of one datum over its variational parameters;
evaluation reports it. What differs is the channel.

    model = rdbound.load("res-context-4-bound").model
    datum = image_datum(image, model.stride)  # uint8 [h, w, 3]
    channel = rdbound.make_channel("gaussian")
    terms = rdbound.objective(model, channel, datum, jax.random.key(0), 0.0067)

λ is in bits per pixel for a unit of MSE on 0–255: the same number as in CompressAI,
which multiplies 255² times the MSE on [0, 1]. A λ of Duan et al. 2023, in nats
per sub-pixel and MSE on [−1, 1], times 2.662e-4 is ours.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, ScalarLike

from rdbound.channels import Channel
from rdbound.models.base import VariationalParameters, level_model, with_extent
from rdbound.objective.datum import Datum
from rdbound.objective.distortion import Distortion, SquaredError
from rdbound.objective.levels import walk
from rdbound.ops.extent_mask import Extent, confined

__all__ = ["DECODERS", "Terms", "clip", "eight_bit", "objective", "real"]


T = TypeVar("T")


class Terms(NamedTuple):
    """J and its parts, of one sample of the channel.

    Attributes:
      J: bpp + λ·distortion.
      bpp: bits per pixel, or per dimension of a vector; padding is not divided by.
      distortion: on its own scale; MSE on 0–255 for images by default.
      bits: the total of each level, first conveyed first.
      x_hat: the reconstruction after ``decode``, of the padded datum's shape.
    """

    J: Float[Array, ""]
    bpp: Float[Array, ""]
    distortion: Float[Array, ""]
    bits: tuple[Float[Array, ""], ...]
    x_hat: Any


def real(x: T) -> T:
    """Return the reconstruction unchanged: for optimization, where gradients must pass.

    Args:
      x: a reconstruction, or a distribution of pixels.
    """
    return x


def clip(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Clip to [0, 1]: a decoder that a bound on images is allowed.

    Pixels are known to lie there, so that clipping never adds to a squared error.
    """
    return jnp.clip(x, 0.0, 1.0)


def eight_bit(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Clip and round to the 8-bit grid: the output of a codec of 8-bit images.

    Its gradient is zero almost everywhere; optimize with :func:`real`.
    """
    return jnp.round(jnp.clip(x, 0.0, 1.0) * 255.0) / 255.0


DECODERS: dict[str, Callable[[Any], Any]] = {
    "real": real,
    "clip": clip,
    "eight-bit": eight_bit,
}
"""The decoder's last step by name."""


def objective(
    model: Any,
    channel: Channel,
    datum: Datum,
    key: PRNGKeyArray,
    lmbda: ScalarLike,
    variational: VariationalParameters | None = None,
    decode: Callable[[Any], Any] = real,
    distortion: Distortion = SquaredError(),  # noqa: B008 (frozen)
    extent: Extent | None = None,
) -> Terms:
    """Return R, D and J of one datum through one channel.

        bpp = Σ over levels of bits / pixels,  J = bpp + λ·D(x, x̂)

    One sample of a random channel is one draw of J; its mean over keys is what a
    bound reports. Differentiable in the model's weights and in ``variational`` where
    channel and ``decode`` are.

    Args:
      model: the latent model.
      channel: the channel that conveys each level.
      datum: the image or vector with its mask.
      key: key of the channel's noise.
      lmbda: λ, scalar; multiplies the distortion.
      variational: variational parameters, one entry a level; None for the amortized ones.
      decode: the last step of the decoder: :func:`real`, :func:`clip` or
        :func:`eight_bit`.
      distortion: distortion of the reconstruction; MSE on 0–255 for images
        and mean squared error for vectors by default.
      extent: the size of the image in a larger array (:func:`rdbound.objective.datum.extent`),
        for models with ``framed = True``; latents outside it cost nothing. None if the
        image fills the array.

    Raises:
      ValueError: for a channel that does not serve a prior or posterior.
    """
    levels = level_model(model)
    if variational is None:
        rate = jnp.asarray(lmbda, jnp.float32)
        variational = with_extent(levels.infer, datum.x, rate, extent)
    keys = jax.random.split(key, len(variational))

    def step(level: int, prior: Any, state: Any) -> tuple[jax.Array, jax.Array]:
        posterior = levels.posterior(level, state, variational[level])
        return channel.at_level(level)(posterior, prior, keys[level])

    state, bits = walk(levels, lmbda, len(variational), step, extent)
    x_hat = decode(levels.synthesize(state))
    totals = tuple(jnp.sum(confined(b, extent) if b.ndim == 3 else b) for b in bits)
    bpp = sum(totals[1:], totals[0]) / datum.pixels
    value = distortion(datum, x_hat)
    return Terms(bpp + lmbda * value, bpp, value, totals, x_hat)
