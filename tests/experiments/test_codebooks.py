"""Scalar quantizers against the operational curves that theory has of them."""

import numpy as np
import pytest
from scipy import optimize, stats

from experiments.codebooks import Codebook, constrained_codebook, grid_codebook, lloyd_codebook

SAMPLES = 40_000


def _quantiles(of):
    """Samples so even that only their number is an error."""
    return of.ppf((np.arange(SAMPLES) + 0.5) / SAMPLES)


def _rate_and_error(book, x):
    index = book.indexes(x)
    p = np.bincount(index, minlength=len(book.levels)) / len(x)
    p = p[p > 0]
    return -(p * np.log2(p)).sum(), np.mean((x - book.levels[index]) ** 2)


@pytest.mark.parametrize(
    ("of", "slb"),
    [
        (stats.norm(), 0.5 * np.log2(2 * np.pi * np.e)),
        (stats.laplace(scale=2**-0.5), np.log2(2 * np.e * 2**-0.5)),
    ],
)
def test_at_high_rate_it_costs_a_quarter_bit_over_shannon_s_bound(of, slb):
    rate, error = _rate_and_error(constrained_codebook(_quantiles(of), 2e-3, 257), _quantiles(of))
    assert rate > 3.5
    excess = rate - (slb - 0.5 * np.log2(2 * np.pi * np.e * error))
    assert excess == pytest.approx(0.2546, abs=0.01)


def _by_thresholds(of, multiplier):
    """The least Lagrangian of even thresholds beside a dead zone, levels at the centroids.

    Of a Laplacian the best entropy-constrained quantizer has this form (Sullivan 1996).
    """
    x, whole = np.linspace(0, 30, 600_001), 2 * of.pdf(np.linspace(0, 30, 600_001)) * 30 / 600_000

    def cost(parameters):
        zone, step = np.exp(parameters)
        cell = np.where(x < zone, 0, 1 + np.floor((x - zone) / step)).astype(int)
        mass, first, second = (np.bincount(cell, whole * x**k) for k in range(3))
        kept = mass > 1e-12
        mass, first, second = mass[kept], first[kept], second[kept]
        error = second[0] + (second[1:] - first[1:] ** 2 / mass[1:]).sum()
        p = np.concatenate([mass[:1], mass[1:] / 2, mass[1:] / 2])
        return error - multiplier * (p * np.log2(p)).sum()

    return optimize.minimize(cost, np.log([0.5, 1.0]), method="Nelder-Mead").fun


@pytest.mark.parametrize("of", [stats.norm(), stats.laplace(scale=2**-0.5)])
@pytest.mark.parametrize("multiplier", [0.05, 0.2])
def test_at_low_rate_it_is_as_good_as_the_best_dead_zone(of, multiplier):
    x = _quantiles(of)
    rate, error = _rate_and_error(constrained_codebook(x, multiplier), x)
    assert error + multiplier * rate == pytest.approx(_by_thresholds(of, multiplier), rel=0.004)


@pytest.mark.parametrize(("count", "error"), [(2, 0.3634), (4, 0.1175), (8, 0.03454)])
def test_k_means_of_a_gaussian_is_max_s_quantizer(count, error):
    # Max 1960, table I.
    book = lloyd_codebook(_quantiles(stats.norm()), count)
    assert len(book.levels) == count
    found = _rate_and_error(book, _quantiles(stats.norm()))[1]
    assert found == pytest.approx(error, rel=0.01)


def test_a_grid_counts_what_it_is_given():
    book = grid_codebook(np.array([-0.9, 0.0, 0.1, 1.1, 1.2]), 0.5)
    np.testing.assert_allclose(book.levels, 0.5 * np.arange(-4, 5))
    np.testing.assert_allclose(book.weights - 0.1, [0, 0, 1, 0, 2, 0, 2, 0, 0])
    np.testing.assert_array_equal(
        book.values(book.symbols(book.indexes(np.array([9.0, 0.3])))), [2.0, 0.5]
    )


@pytest.mark.parametrize("multiplier", [0.0, 0.01, 0.3, 5.0])
def test_a_value_is_put_on_the_cheapest_of_all_levels(multiplier):
    rng = np.random.default_rng(3)
    for count in (1, 2, 3, 40):
        levels = np.sort(rng.normal(0, 3, count))
        book = Codebook(levels, rng.gamma(0.3, 1, count) + 1e-9, multiplier)
        values = rng.normal(0, 4, 500)
        costs = (values[:, None] - levels) ** 2 + multiplier * book.lengths
        found = book.indexes(values)
        np.testing.assert_array_equal(found, costs.argmin(1))
        assert multiplier < 1 or count < 40 or len(set(found)) < 20


def test_a_dear_level_is_left_for_a_near_one():
    book = Codebook(np.array([0.0, 1.0]), np.array([15.0, 1.0]), multiplier=0.1)
    # The code of the second is log₂ 15 bits longer: worth 0.39 of squared error.
    turn = 0.5 * (1 + 0.1 * np.log2(15))
    np.testing.assert_array_equal(book.indexes(np.array([turn - 0.01, turn + 0.01])), [0, 1])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_table_has_a_symbol_for_every_level(count):
    book = Codebook(np.arange(float(count)), np.arange(1.0, count + 1))
    symbols = book.symbols(np.arange(count))
    assert np.abs(symbols).max(initial=0) <= book.table.reach
    frequencies = book.table.frequencies[symbols + book.table.reach]
    np.testing.assert_allclose(
        frequencies / frequencies.sum(), book.weights / book.weights.sum(), atol=1e-4
    )
    np.testing.assert_array_equal(book.values(symbols), book.levels)


def test_what_no_book_has_is_refused():
    book = Codebook(np.arange(2.0), np.ones(2))
    with pytest.raises(ValueError, match="without a level"):
        book.values(np.array([1]))
    with pytest.raises(ValueError, match="has 10000 levels"):
        grid_codebook(np.array([0.0, 100.0]), 0.01)
