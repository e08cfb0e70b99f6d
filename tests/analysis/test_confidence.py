import numpy as np
import pytest

from rdbound.analysis.confidence import interval

REPEATS = 4000


def _coverage(draws, truth):
    """How often the interval of a row of ``draws`` holds the mean of the population."""
    ends = np.array([interval(values) for values in draws])
    return np.mean((ends[:, 0] < truth) & (truth < ends[:, 1]))


def _noise(share):
    """Four standard errors of a share of ``REPEATS``."""
    return 4 * (share * (1 - share) / REPEATS) ** 0.5


@pytest.mark.parametrize("n", [4, 6, 24])
def test_the_mean_of_normal_values_is_covered_as_often_as_it_says(rng, n):
    found = _coverage(rng.normal(1.0, 2.0, (REPEATS, n)), 1.0)
    assert found == pytest.approx(0.95, abs=_noise(0.95))


@pytest.mark.parametrize(("n", "documented"), [(6, 0.885), (24, 0.922)])
def test_the_mean_of_skewed_values_is_covered_as_often_as_is_documented(rng, n, documented):
    found = _coverage(rng.exponential(1.0, (REPEATS, n)), 1.0)
    assert found == pytest.approx(documented, abs=_noise(documented))


def test_the_interval_is_students():
    """Of 1, 2, 3, 4: s² = 5/3, t(0.975, 3) = 3.18245 (any table of the distribution)."""
    reach = 3.18245 * (5 / 3) ** 0.5 / 2
    assert interval([1, 2, 3, 4]) == pytest.approx((2.5 - reach, 2.5 + reach), abs=1e-5)


def test_three_images_have_no_interval():
    assert interval([1.0, 2.0, 3.0]) is None
