"""What channels are used for, against latents whose divergence and entropy are known."""

import numpy as np
import pytest

from rdbound.evaluation.latent_statistics import (
    GaussianLevel,
    Latents,
    LevelLatents,
    _entropy,
    channel_shapes,
    channel_uses,
    latents_of,
)
from rdbound.evaluation.vbq_calibration import counted
from rdbound.ops.distributions import Gaussian
from rdbound.utils.progress import Progress
from tests.toy import Toy

COUNT = 40_000
SIGMA, SIGMA_HAT = np.array([0.2, 0.5, 0.6]), np.array([2.0, 1.0, 0.6])


def _latents(rng):
    """Three channels: the first tells much, the second less, the third nothing."""
    channel = np.tile(np.arange(3), COUNT)
    mu_hat = rng.normal(size=3 * COUNT)
    spread = np.sqrt(SIGMA_HAT**2 - SIGMA**2)[channel]
    mu = mu_hat + spread * rng.normal(size=3 * COUNT)
    return LevelLatents(
        Latents(mu, np.log(SIGMA)[channel], mu_hat, np.log(SIGMA_HAT)[channel], channel), 0.75
    )


def test_kl_offset_and_noise_are_those_of_the_gaussians(rng):
    uses = channel_uses([_latents(rng)], {})
    rates = np.log2(SIGMA_HAT / SIGMA)
    share = 0.25
    assert [use.share for use in uses] == [share] * 3
    np.testing.assert_allclose([use.kl / share for use in uses], rates, atol=0.02)
    np.testing.assert_allclose(
        [use.offset for use in uses], 1 - (SIGMA / SIGMA_HAT) ** 2, atol=0.02
    )
    np.testing.assert_allclose([use.noise for use in uses], (SIGMA / SIGMA_HAT) ** 2, rtol=1e-6)
    assert [use.active for use in uses] == [True, True, False]
    assert all(use.points is None for use in uses)


def test_the_grid_errs_as_it_must_and_costs_the_entropy_of_its_indexes(rng):
    latents = _latents(rng)
    grid = [use.grid / use.share for use in channel_uses([latents], {})]
    # Σ error²/σ² of one a latent: step²/12 · mean(1/σ²) = 1 where a step is small.
    step = np.sqrt(12 / np.mean(1 / SIGMA**2))
    spread = np.sqrt(1 + SIGMA_HAT**2 - SIGMA**2)
    fine = 0.5 * np.log2(2 * np.pi * np.e * spread**2 / step**2)
    np.testing.assert_allclose(grid[0], fine[0], atol=0.03)


def test_the_entropy_of_few_symbols_is_not_that_of_their_frequencies(rng):
    """Of 576 rounded Laplace draws of scale 8: 5.44 bits, where frequencies say 5.31."""
    draws = [_entropy(np.rint(rng.laplace(0.0, 8.0, 576))) for _ in range(200)]
    mass = np.exp(-np.abs(np.arange(-300, 301)) / 8.0)
    mass /= mass.sum()
    exact = -(mass * np.log2(mass)).sum()
    assert abs(np.mean(draws) - exact) < 0.07
    assert _entropy(np.array([0, 0, 1, 1])) == pytest.approx(1.0 + 1 / (8 * np.log(2)))


@pytest.mark.slow
def test_code_points_err_alike(rng):
    latents = _latents(rng)
    of = latents.drawn
    mu, log_sigma, mu_hat, log_sigma_hat = (
        np.asarray(a, np.float32).reshape(-1, 3) for a in of[:4]
    )
    level = GaussianLevel(Gaussian(mu, log_sigma), Gaussian(mu_hat, log_sigma_hat))
    tables = counted([[level]], 1)
    uses = channel_uses([latents], tables)
    points = np.array([use.points / use.share for use in uses])
    rates = np.log2(SIGMA_HAT / SIGMA)
    # More than the divergence less what a sample's noise is worth, and nothing for nothing.
    assert points[2] < 0.01
    assert (points[:2] > rates[:2] - 0.72).all()
    assert (points[:2] < rates[:2] + 0.8).all()


def test_densities_are_means_of_gaussians(rng):
    shapes = channel_shapes(1, _latents(rng).drawn, 1)
    assert (shapes.level, shapes.channel) == (1, 1)
    variance = 1 + SIGMA_HAT[1] ** 2
    for density in (shapes.prior, shapes.posterior):
        normal = np.exp(-0.5 * shapes.at**2 / variance) / np.sqrt(2 * np.pi * variance)
        # 1500 latents: 15 % of the peak are four standard errors of the posterior's.
        np.testing.assert_allclose(density, normal, atol=0.15 * normal.max())


def test_latents_of_a_model_are_counted_by_level(rng):
    images = [rng.integers(0, 256, (24, 40, 3), dtype=np.uint8) for _ in range(2)]
    seen = []

    class Bar(Progress):
        def update(self, task, done, total, note=""):
            seen.append((done, total))

    levels = latents_of(Toy("bound"), images, 0.01, Bar())
    assert seen == [(1, 2), (2, 2)]
    # Every 8 by 8 pixels 4 and 16 elements.
    np.testing.assert_allclose([level.share for level in levels], [4 / 64, 16 / 64])
    assert [len(level.drawn.mu) for level in levels] == [2 * 15 * 4, 2 * 15 * 16]
    assert levels[1].drawn.channel.max() == 15


def test_a_level_without_a_gaussian_is_refused():
    with pytest.raises(ValueError, match="expected a Gaussian posterior and prior"):
        latents_of(Toy("codec"), [np.zeros((8, 8, 3), np.uint8)], 0.01)
