"""MS-SSIM as a distortion: differentiable, and of an image within its padding.

The formula is that of :mod:`rdbound.ops.image_quality`, written for XLA: in float32, its
windows as sums of shifted arrays.
"""

import jax
import jax.numpy as jnp

from rdbound.ops.image_quality import WEIGHTS, check_sides, window

__all__ = ["masked_ms_ssim"]


def _blur(x):
    """[C, H, W] → [C, H − 10, W − 10], the separable Gaussian window without padding."""
    taps = window()
    h, w = x.shape[1] - 10, x.shape[2] - 10
    x = sum(taps[i] * x[:, i : i + h, :] for i in range(11))
    return sum(taps[i] * x[:, :, i : i + w] for i in range(11))


def _similarities(x, y, sides):
    """(luminance · contrast · structure, contrast · structure), means over windows, each [C].

    ``sides``, (height, width), scalars: what is beyond them no window may reach.
    """
    c1, c2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    mu_x, mu_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mu_x**2
    var_y = _blur(y * y) - mu_y**2
    cov = _blur(x * y) - mu_x * mu_y
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    full = structure * (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    inside = _inside(full.shape, [side - 10 for side in sides]).astype(x.dtype)
    count = inside.sum()
    return (full * inside).sum((1, 2)) / count, (structure * inside).sum((1, 2)) / count


def _inside(shape, sides):
    """Whether a place of [C, H, W] is within (height, width): [H, W]."""
    rows, columns = (jnp.arange(size) < side for size, side in zip(shape[1:], sides, strict=True))
    return rows[:, None] & columns


def _halve(x, sides):
    """(means over 2×2, the sides of what they are of), a zero before and after an odd side.

    As PyTorch's avg_pool2d pads. Where an image's true sides are only known when the program
    runs, so is where its pairs begin.
    """
    for axis, side in zip((1, 2), sides, strict=True):
        x = _paired(x, axis, side % 2 == 1)
    return x, [(side + 1) // 2 for side in sides]


def _paired(x, axis, odd):
    """Means of neighbours along an axis; of an ``odd`` side the first is paired with a zero."""
    pairs = (x.shape[axis] + 1) // 2
    x = jnp.moveaxis(x, axis, -1)
    padded = jnp.pad(x, ((0, 0), (0, 0), (1, 2 * pairs - x.shape[-1])))
    chosen = jnp.where(odd, padded[..., :-1], padded[..., 1:])
    return jnp.moveaxis((chosen[..., ::2] + chosen[..., 1::2]) / 2.0, -1, axis)


def _scales(x, y, sides) -> jax.Array:
    """MS-SSIM of images [C, H, W] on 0–255 of ``sides``; what lies beyond is never looked at."""
    factors = []
    for exponent in WEIGHTS[:-1]:
        _, structure = _similarities(x, y, sides)
        # The floor keeps the power's gradient finite at 0.
        factors.append(jnp.maximum(structure, 1e-12) ** exponent)
        (x, halves), (y, _) = _halve(x, sides), _halve(y, sides)
        sides = halves
    full, _ = _similarities(x, y, sides)
    factors.append(jnp.maximum(full, 1e-12) ** WEIGHTS[-1])
    return jnp.mean(jnp.prod(jnp.stack(factors), axis=0))


def masked_ms_ssim(x: jax.Array, y: jax.Array, mask: jax.Array) -> jax.Array:
    """MS-SSIM of what ``mask`` [H, W, 1] leaves of padded images [H, W, 3] in [0, 1].

    The mask is one from the first row and column to the image's sides, and zero beyond: the
    result is that of :func:`rdbound.ops.image_quality.ms_ssim` of the image alone, whatever the
    padding holds; not a number where a true side is below 161.
    Raises ValueError for a padded side below that.
    """
    check_sides(x)
    sides = [jnp.sum(mask[:, 0, 0]).astype(jnp.int32), jnp.sum(mask[0, :, 0]).astype(jnp.int32)]
    x, y = (jnp.moveaxis(255.0 * image, -1, 0) for image in (x, y))
    return _scales(x, y, sides)
