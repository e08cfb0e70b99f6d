"""PSNR and MS-SSIM of images.

MS-SSIM is a product over five scales j, each half the one before:

    SSIM₅^w₅ · ∏ over j < 5 of cs_j^w_j,    SSIM = l·cs
    l = (2·μx·μy + C₁) / (μx² + μy² + C₁),  cs = (2·σxy + C₂) / (σx² + σy² + C₂)

with moments under an 11×11 Gaussian window, C₁ = (0.01·255)² and C₂ = (0.03·255)².
"""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["MS_SSIM_SMALLEST", "masked_ms_ssim", "ms_ssim", "psnr"]

MS_SSIM_SMALLEST = 161
"""The shortest side that five scales of an 11-tap window allow: 10·2⁴ + 1."""

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def psnr(mse: float, peak: float = 255.0) -> float:
    """10·log₁₀(peak² / mse) in dB; infinite where mse is 0.

    It is convex in the MSE: the PSNR of a mean MSE is below the mean of PSNRs, by
    0.07–0.41 dB over the images of Kodak. A curve must say which average it is.
    """
    return float("inf") if mse == 0 else float(10.0 * np.log10(peak**2 / mse))


def _window() -> np.ndarray:
    taps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    return (taps / taps.sum()).astype(np.float32)


def _blur(x):
    """[C, H, W] → [C, H − 10, W − 10], the separable Gaussian window without padding."""
    taps = _window()
    h, w = x.shape[1] - 10, x.shape[2] - 10
    x = sum(taps[i] * x[:, i : i + h, :] for i in range(11))
    return sum(taps[i] * x[:, :, i : i + w] for i in range(11))


def _similarities(x, y, weight=None):
    """(luminance · contrast · structure, contrast · structure), means over windows, each [C].

    ``weight`` [1, H, W]: 0 where a window must not reach; None where all count.
    """
    c1, c2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    mu_x, mu_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mu_x**2
    var_y = _blur(y * y) - mu_y**2
    cov = _blur(x * y) - mu_x * mu_y
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    full = structure * (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    if weight is None:
        return full.mean((1, 2)), structure.mean((1, 2))
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


def _scales(x, y, weight=None) -> jax.Array:
    """MS-SSIM of images [C, H, W] on 0–255."""
    factors = []
    for exponent in _WEIGHTS[:-1]:
        _, structure = _similarities(x, y, weight)
        # The floor keeps the power's gradient finite at 0.
        factors.append(jnp.maximum(structure, 1e-12) ** exponent)
        x, y = _halve(x), _halve(y)
        weight = None if weight is None else _halve(weight)
    full, _ = _similarities(x, y, weight)
    factors.append(jnp.maximum(full, 1e-12) ** _WEIGHTS[-1])
    return jnp.mean(jnp.prod(jnp.stack(factors), axis=0))


def _check_sides(x) -> None:
    if min(x.shape[:2]) < MS_SSIM_SMALLEST:
        raise ValueError(
            f"MS-SSIM needs sides of at least {MS_SSIM_SMALLEST} pixels, not {x.shape[:2]}"
        )


@jax.jit
def ms_ssim(x: jax.Array, y: jax.Array) -> jax.Array:
    """Multi-scale SSIM (Wang, Simoncelli & Bovik 2003) of two images [H, W, 3] in [0, 1].

    Five scales, an 11-tap Gaussian window of σ = 1.5, the mean over channels,
    in the convention of pytorch-msssim. Raises ValueError for a side below 161.
    """
    _check_sides(x)
    x, y = (255.0 * jnp.moveaxis(image, -1, 0) for image in (x, y))
    return _scales(x, y)


def masked_ms_ssim(x: jax.Array, y: jax.Array, mask: jax.Array) -> jax.Array:
    """MS-SSIM of what ``mask`` [H, W, 1] leaves of padded images [H, W, 3] in [0, 1].

    Only windows that lie within the mask count. Equal to :func:`ms_ssim` where
    the mask is all ones; near it where the true sides are multiples of 16.
    Raises ValueError for a padded side below 161.
    """
    _check_sides(x)
    x, y, weight = (jnp.moveaxis(image, -1, 0) for image in (x, y, mask))
    return _scales(255.0 * x, 255.0 * y, weight)
