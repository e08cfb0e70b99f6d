"""Densities a channel: their distribution functions against those that samples came from."""

import numpy as np
import pytest
from scipy import stats

from rdbound.coding.coders.vbq.empirical_prior import (
    BINS,
    ChannelDensities,
    fitted_densities,
    histogram,
)

OF = (stats.norm(0.3, 1.0), stats.laplace(-4.0, 2.0), stats.norm(0.0, 60.0))


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    values = np.stack([of.rvs(40_000, random_state=rng) for of in OF], axis=1)
    return ChannelDensities(fitted_densities(histogram(values)))


def test_a_histogram_counts_each_channel_by_itself():
    values = np.array([[0.0, 100.0], [0.0, -1e9], [0.5, 1e9]])
    counts = histogram(values)
    assert counts.shape == (2, BINS)
    assert counts[0, BINS // 2] == 2
    assert counts[0].sum() == counts[1].sum() == 3
    assert counts[1, 0] == counts[1, -1] == 1


@pytest.mark.parametrize("channel", range(3))
def test_the_distribution_function_is_that_of_the_samples(fitted, channel):
    of = OF[channel]
    x = of.ppf(np.linspace(0.01, 0.99, 99))
    found = fitted.cdf(x, np.full(99, channel))
    # Three standard errors of a distribution function, and a bin's curvature.
    np.testing.assert_allclose(found, of.cdf(x), atol=3 * 0.5 / 200 + 0.002)


@pytest.mark.parametrize("channel", range(3))
def test_quantiles_invert_it(fitted, channel):
    points = np.array([2.0**-30, 2.0**-11, 0.1, 0.5, 0.75, 1 - 2.0**-20])
    values = fitted.quantile(points, np.full(6, channel))
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(fitted.cdf(values, np.full(6, channel)), points, rtol=1e-6)


def test_spreads_are_those_of_the_samples(fitted):
    expected = [0.5 * (of.ppf(stats.norm.cdf(1)) - of.ppf(stats.norm.cdf(-1))) for of in OF]
    np.testing.assert_allclose(fitted.spreads, expected, rtol=0.03)


def test_a_channel_without_samples_has_a_density_all_the_same():
    found = ChannelDensities(fitted_densities(np.zeros((1, BINS), int)))
    x = np.linspace(-600, 600, 1001)
    assert (np.diff(found.cdf(x, np.zeros(1001, int))) > 0).all()
    assert found.cdf(np.zeros(1), np.zeros(1, int)) == pytest.approx(0.5, abs=1e-3)


def test_what_lies_beyond_all_bins_has_the_outermost_value(fitted):
    zero = np.zeros(2, int)
    np.testing.assert_array_equal(fitted.cdf(np.array([-1e9, 1e9]), zero), [0.0, 1.0])
