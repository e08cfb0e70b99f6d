"""MS-SSIM as a distortion: differentiable, and of what a mask leaves of a padded image.

The formula is that of :mod:`rdbound.ops.quality`, written for XLA: in float32, its
windows as sums of shifted arrays.
"""

import jax
import jax.numpy as jnp

from rdbound.ops.quality import WEIGHTS, check_sides, window

__all__ = ["masked_ms_ssim"]


def _blur(x):
    """[C, H, W] → [C, H − 10, W − 10], the separable Gaussian window without padding."""
    taps = window()
    h, w = x.shape[1] - 10, x.shape[2] - 10
    x = sum(taps[i] * x[:, i : i + h, :] for i in range(11))
    return sum(taps[i] * x[:, :, i : i + w] for i in range(11))


def _similarities(x, y, weight):
    """(luminance · contrast · structure, contrast · structure), means over windows, each [C].

    ``weight`` [1, H, W]: 0 where a window must not reach.
    """
    c1, c2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    mu_x, mu_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mu_x**2
    var_y = _blur(y * y) - mu_y**2
    cov = _blur(x * y) - mu_x * mu_y
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    full = structure * (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    # A window counts where all of it is inside: its taps sum to one. Where an image
    # is too small for that at the coarsest scale, those do that are inside the most.
    covered = _blur(weight)
    inside = (covered > jnp.minimum(1.0, covered.max()) - 1e-5).astype(x.dtype)
    count = inside.sum()
    return (full * inside).sum((1, 2)) / count, (structure * inside).sum((1, 2)) / count


def _halve(x):
    """Mean over 2×2, with zeros beyond an odd side's both ends (as in PyTorch's avg_pool2d)."""
    h, w = x.shape[1] % 2, x.shape[2] % 2
    x = jnp.pad(x, ((0, 0), (h, h), (w, w)))
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4.0


def _scales(x, y, weight) -> jax.Array:
    """MS-SSIM of images [C, H, W] on 0–255."""
    factors = []
    for exponent in WEIGHTS[:-1]:
        _, structure = _similarities(x, y, weight)
        # The floor keeps the power's gradient finite at 0.
        factors.append(jnp.maximum(structure, 1e-12) ** exponent)
        x, y, weight = _halve(x), _halve(y), _halve(weight)
    full, _ = _similarities(x, y, weight)
    factors.append(jnp.maximum(full, 1e-12) ** WEIGHTS[-1])
    return jnp.mean(jnp.prod(jnp.stack(factors), axis=0))


def masked_ms_ssim(x: jax.Array, y: jax.Array, mask: jax.Array) -> jax.Array:
    """MS-SSIM of what ``mask`` [H, W, 1] leaves of padded images [H, W, 3] in [0, 1].

    Only windows that lie within the mask count. Equal to
    :func:`rdbound.ops.quality.ms_ssim` where the mask is all ones; near it where the
    true sides are multiples of 16.
    Raises ValueError for a padded side below 161.
    """
    check_sides(x)
    x, y, weight = (jnp.moveaxis(image, -1, 0) for image in (x, y, mask))
    return _scales(255.0 * x, 255.0 * y, weight)
