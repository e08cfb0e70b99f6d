"""PSNR and MS-SSIM of images.

MS-SSIM is a product over five scales j, each half the one before:

    SSIM₅^w₅ · ∏ over j < 5 of cs_j^w_j,    SSIM = l·cs
    l = (2·μx·μy + C₁) / (μx² + μy² + C₁),  cs = (2·σxy + C₂) / (σx² + σy² + C₂)

with moments under an 11×11 Gaussian window, C₁ = (0.01·255)² and C₂ = (0.03·255)².
"""

from typing import Any

import numpy as np
from scipy.ndimage import correlate1d

__all__ = ["MS_SSIM_SMALLEST", "WEIGHTS", "check_sides", "ms_ssim", "psnr", "window"]

MS_SSIM_SMALLEST = 161
"""The shortest side that five scales of an 11-tap window allow: 10·2⁴ + 1."""

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first."""


def psnr(mse: float, peak: float = 255.0) -> float:
    """10·log₁₀(peak² / mse) in dB; infinite where mse is 0.

    It is convex in the MSE: the PSNR of a mean MSE is below the mean of PSNRs, by
    0.07–0.41 dB over the images of Kodak. A curve must say which average it is.
    """
    return float("inf") if mse == 0 else float(10.0 * np.log10(peak**2 / mse))


def window() -> np.ndarray:
    """The Gaussian window of σ = 1.5, [11], float32; its outer product is that of images."""
    taps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    return (taps / taps.sum()).astype(np.float32)


def check_sides(x: Any) -> None:
    """Raises ValueError where an image [H, W, …] is too small for five scales."""
    if min(x.shape[:2]) < MS_SSIM_SMALLEST:
        raise ValueError(
            f"MS-SSIM needs sides of at least {MS_SSIM_SMALLEST} pixels, not {x.shape[:2]}"
        )


def ms_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Multi-scale SSIM (Wang, Simoncelli & Bovik 2003) of two images [H, W, 3] in [0, 1].

    Five scales, an 11-tap Gaussian window of σ = 1.5, the mean over channels,
    in the convention of pytorch-msssim. A channel at a time, so that a photograph of
    12 megapixels takes some 0.5 GB. Raises ValueError for a side below 161.
    """
    check_sides(x)
    channels = [[255.0 * np.asarray(i[..., c], np.float32) for i in (x, y)] for c in range(3)]
    return float(np.mean([_of_channel(*pair) for pair in channels]))


def _of_channel(x: np.ndarray, y: np.ndarray) -> float:
    """The product over scales of one channel [H, W] on 0–255."""
    product = 1.0
    for scale, exponent in enumerate(WEIGHTS):
        full, structure = _similarities(x, y)
        last = scale == len(WEIGHTS) - 1
        product *= max(full if last else structure, 0.0) ** exponent
        x, y = _halve(x), _halve(y)
    return product


def _similarities(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The means over windows of (luminance · contrast · structure, contrast · structure)."""
    c1, c2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    mu_x, mu_y = _blur(x), _blur(y)
    spread = _blur(x * x) - mu_x**2 + _blur(y * y) - mu_y**2
    structure = (2 * (_blur(x * y) - mu_x * mu_y) + c2) / (spread + c2)
    full = structure * (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    return float(full.mean(dtype=np.float64)), float(structure.mean(dtype=np.float64))


def _blur(x: np.ndarray) -> np.ndarray:
    """[H, W] → [H − 10, W − 10], where the whole window lies inside."""
    rows = correlate1d(x, window(), 0, mode="constant")[5:-5]
    return correlate1d(rows, window(), 1, mode="constant")[:, 5:-5]


def _halve(x: np.ndarray) -> np.ndarray:
    """Mean over 2×2, with zeros beyond an odd side's both ends (as in PyTorch's avg_pool2d)."""
    odd = [(side % 2, side % 2) for side in x.shape]
    x = np.pad(x, odd)
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4.0
