"""Algorithm 1 against all dyadic points there are."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from rdbound.ops.code_points import MOST_BITS, CodePoints, nearest_points


def _normal(points, which):
    return ndtri(points)


def _losses(mu, sigma, penalty, most):
    """(bits, numerators, losses [n, points]) of every point of up to ``most`` bits."""
    found = [(r, k) for r in range(1, most + 1) for k in range(1, 2**r, 2)]
    bits, k = (np.array(x) for x in zip(*found, strict=True))
    value = ndtri(k / 2.0**bits)
    return bits, k, (value - mu[:, None]) ** 2 + 2 * penalty * sigma[:, None] ** 2 * bits


@pytest.mark.parametrize("penalty", [0.05, 0.7, 5.0])
def test_the_points_are_the_best_of_all_up_to_ten_bits(penalty, rng):
    mu, sigma = rng.normal(size=2000), np.exp(rng.uniform(-3.5, 0.5, 2000))
    found = nearest_points(ndtr(mu), mu, sigma, penalty, _normal)
    bits, k, losses = _losses(mu, sigma, penalty, 10)
    best = losses.argmin(1)
    within = found.bits <= 10
    assert within.mean() > 0.95
    np.testing.assert_array_equal(found.bits[within], bits[best][within])
    np.testing.assert_array_equal(found.numerator[within], k[best][within])
    own = (ndtri(found.value) - mu) ** 2 + 2 * penalty * sigma**2 * found.bits
    assert (own[~within] < losses.min(1)[~within]).all()


def test_of_a_uniform_prior_a_point_is_told_by_hand():
    # ξ† = 0.3: ½ is 0.2 off, ¼ is 0.05, 5/16 is 0.0125 (3/8 is farther than ¼ and dearer).
    identity = lambda points, which: points  # noqa: E731
    one = lambda a_bit: nearest_points(  # noqa: E731
        np.array([0.3]), np.array([0.3]), np.ones(1), a_bit / 2, identity
    )
    assert one(0.1).value == 0.5
    assert one(0.0374).value == 0.25  # saves 0.0375 for a bit
    assert one(0.0376).value == 0.5
    assert one(0.0012).value == 0.25
    assert one(0.0011).value == 0.3125  # saves 0.00234 for two bits


def test_more_penalty_tells_less_and_errs_more(rng):
    mu, sigma = rng.normal(size=5000), np.exp(rng.uniform(-3, 0, 5000))
    bits, error = [], []
    for penalty in np.geomspace(0.01, 30, 12):
        found = nearest_points(ndtr(mu), mu, sigma, penalty, _normal)
        bits.append(found.bits.sum())
        error.append((((ndtri(found.value) - mu) / sigma) ** 2).sum())
    assert (np.diff(bits) < 0).all()
    assert (np.diff(error) > 0).all()


def test_what_the_posterior_leaves_open_takes_the_median():
    mu = np.array([-2.0, 0.4, 3.0])
    found = nearest_points(ndtr(mu), mu, np.full(3, 100.0), 1.0, _normal)
    np.testing.assert_array_equal(found.value, 0.5)


def test_a_mean_beyond_all_quantiles_takes_the_outermost():
    mu = np.array([-40.0, 40.0])
    found = nearest_points(ndtr(mu), mu, np.full(2, 0.01), 1.0, _normal)
    np.testing.assert_array_equal(found.value, [2.0**-MOST_BITS, 1 - 2.0**-MOST_BITS])


def test_at_high_rate_a_point_costs_up_to_half_a_bit_more_than_a_grid_s():
    # A uniform prior and one σ: a grid has ½·log₂(1/(12·D)) bits. Measured: 0.21 to 0.34 more.
    xi = (np.arange(2**16) + 0.5) / 2**16
    identity = lambda points, which: points  # noqa: E731
    for sigma in (0.01, 0.001):
        found = nearest_points(xi, xi, np.full(len(xi), sigma), np.log(2), identity)
        _, counts = np.unique(found.value, return_counts=True)
        p = counts / counts.sum()
        entropy = -(p * np.log2(p)).sum()
        grid = -0.5 * np.log2(12 * np.mean((found.value - xi) ** 2))
        assert grid < entropy < grid + 0.5


@pytest.mark.parametrize(
    ("mu", "penalty", "message"),
    [
        (np.nan, 1.0, "not finite"),
        (0.0, 0.0, "penalty = 0"),
        (0.0, np.nan, "penalty = nan"),
    ],
)
def test_what_cannot_be_coded_is_refused(mu, penalty, message):
    one = np.array([mu])
    with pytest.raises(ValueError, match=message):
        nearest_points(ndtr(one), one, np.ones(1), penalty, _normal)


def test_values_are_exact():
    points = CodePoints(np.array([1, 3, 30]), np.array([1, 7, 2**30 - 1]))
    np.testing.assert_array_equal(points.value, [0.5, 0.875, 1 - 2.0**-30])


def test_of_a_regression_they_keep_more_of_the_exact_posterior(rng):
    """Yang 2020b, Figure 2: more density than weights as far from its mean in another direction."""
    ratios = []
    for _ in range(200):
        x = rng.normal(size=(20, 2)) * [1.0, np.exp(rng.uniform(-2.3, 2.3))]
        precision = np.eye(2) + x.T @ x / 0.09
        mean = rng.normal(size=2)
        found = nearest_points(ndtr(mean), mean, np.diag(precision) ** -0.5, 1.0, _normal)
        off = ndtri(found.value) - mean
        angle = 2 * np.pi * (np.arange(64) + 0.5) / 64
        others = np.linalg.norm(off) * np.stack([np.cos(angle), np.sin(angle)])
        far = np.einsum("ik,ij,jk->k", others, precision, others).mean()
        ratios.append(np.log(far / (off @ precision @ off)))
    # Measured by experiments/bayesian_regression.py: 0.99 ± 0.05 over 500.
    assert np.mean(ratios) == pytest.approx(0.99, abs=3.5 * np.std(ratios) / 200**0.5)
