"""PSNR and MS-SSIM of images, for reports (NumPy) and for training (JAX).

MS-SSIM is a product over five scales j, each half the one before:

    SSIM₅^w₅ · ∏ over j < 5 of cs_j^w_j,    SSIM = l·cs
    l = (2·μx·μy + C₁) / (μx² + μy² + C₁),  cs = (2·σxy + C₂) / (σx² + σy² + C₂)

with moments under an 11×11 Gaussian window, C₁ = (0.01·255)² and C₂ = (0.03·255)²
(Wang, Simoncelli & Bovik 2003, in the convention of pytorch-msssim). The formula is written
once, for the array namespace of its inputs: NumPy needs no compilation for each image size
of a report, JAX differentiates.
"""

from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["MS_SSIM_SMALLEST", "masked_ms_ssim", "ms_ssim", "psnr"]

MS_SSIM_SMALLEST = 161
"""The shortest side that five scales of an 11-tap window allow: 10·2⁴ + 1."""

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents, finest scale first
_TAPS, _SIGMA = 11, 1.5  # of the window
_PEAK = 255.0
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
_FLOOR = 1e-12  # keeps the gradient of a power finite at 0

_Array: TypeAlias = np.ndarray | jax.Array
_Sides: TypeAlias = Sequence[int | jax.Array]


def psnr(mse: float, peak: float = _PEAK) -> float:
    """Return 10·log₁₀(peak² / mse) in dB, infinite for an mse of 0.

    It is convex in the MSE: the PSNR of a mean MSE is below the mean of PSNRs, by
    0.07–0.41 dB over the images of Kodak. A curve must say which average it is.
    """
    return float("inf") if mse == 0 else float(10.0 * np.log10(peak**2 / mse))


def ms_ssim(x: Float[_Array, "h w c"], y: Float[_Array, "h w c"]) -> float:
    """Return the MS-SSIM of two images in [0, 1], the mean over their channels.

    One channel is computed at a time, so that a photograph of 12 megapixels takes about
    0.5 GB.

    Raises:
      ValueError: if a side is shorter than 161 pixels.
    """
    _check_sides(x.shape)

    def product(c: int) -> _Array:
        one, other = (_PEAK * np.asarray(image[None, ..., c], np.float32) for image in (x, y))
        return _product(one, other, x.shape[:2], 0.0)

    return float(np.mean([product(c) for c in range(x.shape[-1])]))


def masked_ms_ssim(
    x: Float[Array, "h w c"], y: Float[Array, "h w c"], mask: Float[Array, "h w 1"]
) -> Float[Array, ""]:
    """Return the MS-SSIM of two padded images in [0, 1], differentiable in both.

    Args:
      x: padded image.
      y: its reconstruction.
      mask: one from the first row and column to the image's last ones, zero in the padding.

    Returns:
      What :func:`ms_ssim` returns for the images without their padding; NaN if an unpadded
      side is shorter than 161 pixels.

    Raises:
      ValueError: if a padded side is shorter than 161 pixels.
    """
    _check_sides(x.shape)
    sides = [jnp.sum(mask[:, 0, 0]).astype(jnp.int32), jnp.sum(mask[0, :, 0]).astype(jnp.int32)]
    x, y = (jnp.moveaxis(_PEAK * image, -1, 0) for image in (x, y))
    return jnp.mean(_product(x, y, sides, _FLOOR))


def _check_sides(shape: tuple[int, ...]) -> None:
    if min(shape[:2]) < MS_SSIM_SMALLEST:
        raise ValueError(
            f"MS-SSIM needs sides of at least {MS_SSIM_SMALLEST} pixels, not {shape[:2]}"
        )


def _product(x: _Array, y: _Array, sides: _Sides, floor: float) -> _Array:
    """Return the product over scales for images [C, H, W] on 0–255, [C].

    ``sides`` are the height and width of the images within their padding, ``floor`` is the
    least value of a factor before its power.
    """
    xp = x.__array_namespace__()
    factors = []
    for scale, exponent in enumerate(_WEIGHTS):
        full, structure = _similarities(x, y, sides)
        last = scale == len(_WEIGHTS) - 1
        factors.append(xp.maximum(full if last else structure, floor) ** exponent)
        if not last:
            x, y = (_halve(image, sides) for image in (x, y))
            sides = [(side + 1) // 2 for side in sides]
    return xp.prod(xp.stack(factors), axis=0)


def _similarities(x: _Array, y: _Array, sides: _Sides) -> tuple[_Array, _Array]:
    """Return the means of l·cs and of cs over the windows within ``sides``, [C] each."""
    mu_x, mu_y = _blur(x), _blur(y)
    spread = _blur(x * x) - mu_x**2 + _blur(y * y) - mu_y**2
    structure = (2 * (_blur(x * y) - mu_x * mu_y) + _C2) / (spread + _C2)
    full = structure * (2 * mu_x * mu_y + _C1) / (mu_x**2 + mu_y**2 + _C1)
    inside = _inside(full, [side - (_TAPS - 1) for side in sides])
    count = inside.sum()
    return (full * inside).sum((1, 2)) / count, (structure * inside).sum((1, 2)) / count


def _blur(x: _Array) -> _Array:
    """Return the means under all windows within [C, H, W], [C, H − 10, W − 10]."""
    taps = np.exp(-((np.arange(_TAPS) - _TAPS // 2) ** 2) / (2 * _SIGMA**2))
    taps = (taps / taps.sum()).astype(np.float32)
    h, w = (side - (_TAPS - 1) for side in x.shape[1:])
    x = sum(tap * x[:, i : i + h, :] for i, tap in enumerate(taps))
    return sum(tap * x[:, :, i : i + w] for i, tap in enumerate(taps))


def _inside(x: _Array, sides: _Sides) -> _Array:
    """Return 1 for the places of [C, H, W] within ``sides`` and 0 beyond, [1, H, W]."""
    xp = x.__array_namespace__()
    rows, columns = (xp.arange(size) < side for size, side in zip(x.shape[1:], sides, strict=True))
    return (rows[:, None] & columns)[None].astype(x.dtype)


def _halve(x: _Array, sides: _Sides) -> _Array:
    """Return means over 2×2 places, with zeros around an odd side (PyTorch's avg_pool2d).

    If the sides are known only when the program runs, so is where their pairs begin.
    """
    for axis, side in zip((1, 2), sides, strict=True):
        x = _paired(x, axis, side % 2 == 1)
    return x


def _paired(x: _Array, axis: int, odd: bool | jax.Array) -> _Array:
    """Return means of neighbours along an axis; on an odd side the first is paired with 0."""
    xp = x.__array_namespace__()
    pairs = (x.shape[axis] + 1) // 2
    x = xp.moveaxis(x, axis, -1)
    padded = xp.pad(x, ((0, 0), (0, 0), (1, 2 * pairs - x.shape[-1])))
    chosen = xp.where(odd, padded[..., :-1], padded[..., 1:])
    return xp.moveaxis((chosen[..., ::2] + chosen[..., 1::2]) / 2.0, -1, axis)
