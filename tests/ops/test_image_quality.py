import numpy as np
import pytest

from rdbound.ops.image_quality import ms_ssim, psnr


def pairs():
    """Smooth waves with noise, in three sizes; the third has odd sides."""
    for h, w, level in ((161, 161, 8), (192, 256, 20), (187, 251, 40)):
        rng = np.random.default_rng(h)
        r, c = np.mgrid[:h, :w]
        waves = [127 + 100 * np.sin(r / k) * np.cos(c / (k + 3)) for k in (5, 11, 23)]
        x = np.stack(waves, -1)
        y = x + rng.integers(-level, level + 1, x.shape)
        yield x.clip(0, 255).round() / 255, y.clip(0, 255).round() / 255


# pytorch-msssim 1.0, float64, data_range 255, on the same pairs.
STORED = (0.9894226680301634, 0.9503539787679967, 0.8672331132476677)


def test_ms_ssim_agrees_with_pytorch_msssim():
    for (x, y), expected in zip(pairs(), STORED, strict=True):
        assert float(ms_ssim(x, y)) == pytest.approx(expected, abs=1e-5)


def test_ms_ssim_of_an_image_with_itself_is_one():
    x, _ = next(pairs())
    assert float(ms_ssim(x, x)) == pytest.approx(1.0, abs=1e-6)


def test_ms_ssim_refuses_small_images():
    with pytest.raises(ValueError, match="at least 161"):
        ms_ssim(np.zeros((160, 300, 3)), np.zeros((160, 300, 3)))


def test_psnr():
    assert psnr(1.0) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(0.0) == float("inf")
