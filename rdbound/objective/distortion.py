"""Distortions: the D of J = R + λ·D.

A distortion is any function (datum, x̂) → scalar, differentiable in x̂ and
written for one datum, with its padding masked. λ multiplies it, so that its
scale is part of what a λ means: MSE on 0–255 for images, mean squared error for
vectors, 1 − MS-SSIM; or the bits that a lossless code of the datum takes given the latents:
J at λ = 1 is then the length of the whole code.

A distortion from outside the package is named ``package.module:function``:

    def absolute(datum, x_hat):
        return jnp.sum(datum.mask * jnp.abs(datum.x - x_hat)) / datum.pixels

A distortion undefined on small images has an attribute ``smallest_side``, and an
evaluation refuses smaller images.

A checkpoint names the distortion of its training, and is evaluated with it; one
from outside must then be named by the user too.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass

from rdbound.objective.datum import Datum
from rdbound.ops.discretized_logistic import PixelDistribution
from rdbound.ops.image_quality import MS_SSIM_SMALLEST, masked_ms_ssim
from rdbound.utils.registry import OPTIONS, build, import_outside

__all__ = [
    "DISTORTIONS",
    "Distortion",
    "MSSSIM",
    "NegativeLogLikelihood",
    "SquaredError",
    "make_distortion",
]

Distortion = Callable[[Datum, Any], Float[Array, ""]]


@dataclass(frozen=True, config=OPTIONS)
class SquaredError:
    """peak² · mean squared error over the pixels of the mask.

        D = peak² · Σ mask·(x − x̂)² / Σ mask, the mask once for each channel

    ``peak``: 255 gives images in [0, 1] their MSE on 0–255; 1 for vectors;
    None chooses between the two by the datum's rank.
    """

    peak: PositiveFloat | None = None

    def __call__(self, datum: Datum, x_hat: Float[Array, "*shape"]) -> Float[Array, ""]:
        """Return D of a reconstruction of the datum's shape."""
        peak = self.peak if self.peak is not None else 255.0 if datum.x.ndim == 3 else 1.0
        mask = jnp.broadcast_to(datum.mask, datum.x.shape)
        return peak**2 * jnp.sum(mask * (datum.x - x_hat) ** 2) / jnp.sum(mask)


@dataclass(frozen=True, config=OPTIONS)
class MSSSIM:
    """1 − MS-SSIM of RGB (Wang, Simoncelli & Bovik 2003), for images of 161 pixels a side or more.

    Published λ multiply 1 − MS-SSIM: 2.4 … 220 covers about 0.1–1 bit per pixel.
    The padding does not count (:func:`rdbound.ops.image_quality.masked_ms_ssim`).
    """

    smallest_side: ClassVar[int] = MS_SSIM_SMALLEST

    def __call__(self, datum: Datum, x_hat: Float[Array, "*shape"]) -> Float[Array, ""]:
        """Return D of a reconstruction [H, W, 3]; raise ValueError for vectors, small images."""
        if datum.x.ndim != 3:
            raise ValueError("ms-ssim is a distortion of images, not of vectors")
        return 1.0 - masked_ms_ssim(datum.x, x_hat, datum.mask)


@dataclass(frozen=True, config=OPTIONS)
class NegativeLogLikelihood:
    """Bits a pixel of the datum given the latents, all colours together.

    For models whose reconstruction is a distribution of pixels
    (:class:`rdbound.ops.discretized_logistic.PixelDistribution`). At λ = 1, J is the negative
    evidence lower bound: the expected length of a bits-back code (Townsend et al. 2019).
    """

    def __call__(self, datum: Datum, x_hat: PixelDistribution) -> Float[Array, ""]:
        """Return bits a pixel; raise ValueError for a reconstruction that is no distribution."""
        if not isinstance(x_hat, PixelDistribution):
            raise ValueError(
                "negative-log-likelihood is of models that say a distribution of pixels "
                "(resnet-vae-lossless)"
            )
        bits = x_hat.bits(jnp.round(255.0 * datum.x))
        return jnp.sum(datum.mask * bits) / datum.pixels


DISTORTIONS: dict[str, Callable[..., Distortion]] = {
    "squared-error": SquaredError,
    "ms-ssim": MSSSIM,
    "negative-log-likelihood": NegativeLogLikelihood,
}


def make_distortion(name: str, /, **options: float) -> Distortion:
    """Return the distortion called ``name``, or the function ``package.module:function``.

    A class from outside is built with ``options``; a function takes none.

    Raises:
      ValueError: for an unknown name or option.
    """
    if ":" not in name or inspect.isclass(found := import_outside("distortion", name)):
        return build("distortion", DISTORTIONS, name, options)
    if options:
        raise ValueError(f"distortion {name!r} is a function and takes no options")
    return found
