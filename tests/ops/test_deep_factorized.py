"""The learned density: a distribution, its bins, its tables."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from rdbound.ops.deep_factorized import Cumulative


def logistic_density(means, scales):
    """One layer without bends is a logistic distribution: f(t) = (t − m)/s."""
    slope = 1 / np.asarray(scales, np.float32)
    matrix = np.log(np.expm1(slope)).reshape(-1, 1, 1)
    bias = (-np.asarray(means, np.float32) * slope).reshape(-1, 1)
    return Cumulative(
        (jnp.asarray(matrix, jnp.float32),),
        (jnp.asarray(bias, jnp.float32),),
        (),
        jnp.asarray(means, jnp.float32),
    )


def random_density(channels, seed=0):
    """Of the shape of those that are learned, bent."""
    rng = np.random.default_rng(seed)
    widths = (1, 3, 3, 1)
    draw = lambda *shape: jnp.asarray(rng.normal(0, 0.7, shape), jnp.float32)  # noqa: E731
    matrices = tuple(draw(channels, b, a) for a, b in pairwise(widths))
    biases = tuple(draw(channels, b) for b in widths[1:])
    return Cumulative(
        matrices, biases, tuple(draw(channels, b) for b in widths[1:-1]), draw(channels)
    )


def test_one_layer_is_a_logistic():
    prior = logistic_density([0.3, -2.0], [0.5, 3.0])
    y = jnp.asarray(np.linspace(-6, 6, 25)[:, None] + np.zeros(2), jnp.float32)
    at = lambda d: expit((np.asarray(y, np.float64) + d - [0.3, -2.0]) / [0.5, 3.0])  # noqa: E731
    np.testing.assert_allclose(prior.bin_bits(y), -np.log2(at(0.5) - at(-0.5)), rtol=1e-4)


def test_the_mass_of_all_integers_is_one_and_falls_towards_the_tails():
    prior = random_density(5)
    y = jnp.arange(-300.0, 301.0)[:, None].repeat(5, 1)
    mass = np.exp2(-np.asarray(prior.bin_bits(y), np.float64))
    np.testing.assert_allclose(mass.sum(0), 1.0, atol=1e-4)
    assert np.isfinite(np.asarray(prior.bin_bits(jnp.full((1, 5), 1e5)))).all()


def test_its_density_integrates_to_one():
    prior = random_density(3, seed=1)
    t = jnp.linspace(-200, 200, 40_001)[:, None].repeat(3, 1)
    density = np.exp(np.asarray(prior.log_density(t), np.float64))
    np.testing.assert_allclose(density.sum(0) * 0.01, 1.0, atol=2e-4)


def test_a_gradient_far_out_leads_back():
    prior = random_density(2, seed=2)
    slope = jax.grad(lambda y: prior.bin_bits(y).sum())(jnp.array([[300.0, -300.0]]))
    assert np.isfinite(np.asarray(slope)).all()
    assert float(slope[0, 0]) > 0 > float(slope[0, 1])


@pytest.mark.parametrize("seed", [0, 1])
def test_tables_are_made_of_its_bins_and_reach_its_tails(seed):
    prior = random_density(4, seed)
    for c, (mass, reach) in enumerate(prior.channel_mass()):
        r = np.arange(-reach, reach + 1)
        y = (
            jnp.zeros((len(r), 4))
            .at[:, c]
            .set(jnp.asarray(float(prior.centre[c]) + r, jnp.float32))
        )
        expected = np.exp2(-np.asarray(prior.bin_bits(y), np.float64))[:, c]
        np.testing.assert_allclose(mass(r), expected, rtol=1e-3, atol=1e-6)
        assert 1 - 3e-6 < mass(r).sum() <= 1 + 1e-9
        inner = np.arange(-(reach // 2), reach // 2 + 1)
        assert reach < 4 or mass(inner).sum() < 1 - 1e-6
    lookup = prior.table_of((2, 3, 4))
    assert (lookup.family, lookup.scaled) == ("cumulative", False)
    np.testing.assert_array_equal(lookup.place[1, 2], [0, 1, 2, 3])
