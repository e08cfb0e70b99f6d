import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import logistic

from rdbound.ops.discretized_logistic import LOG_SCALES, PixelDistribution


def _random(rng, shape=(3, 4)):
    mu = jnp.asarray(rng.uniform(-20, 275, (*shape, 3)), jnp.float32)
    log_scale = jnp.asarray(rng.uniform(-2, 3, (*shape, 3)), jnp.float32)
    lean = jnp.asarray(rng.normal(0, 0.5, (*shape, 3)), jnp.float32)
    return PixelDistribution(mu, log_scale, lean)


def test_bits_are_those_of_the_logistic_mass(rng):
    of = _random(rng)
    levels = rng.integers(0, 256, (3, 4, 3)).astype(np.float32)
    levels[0, 0], levels[0, 1] = 0, 255
    mu, log_scale, lean = (np.asarray(leaf, np.float64) for leaf in of)
    d = levels - mu
    means = np.stack(
        [
            mu[..., 0],
            mu[..., 1] + lean[..., 0] * d[..., 0],
            mu[..., 2] + lean[..., 1] * d[..., 0] + lean[..., 2] * d[..., 1],
        ],
        -1,
    )
    law = logistic(means, np.exp(log_scale))
    upper = np.where(levels == 255, 0.0, law.logcdf(levels + 0.5))
    inside = np.log(law.cdf(levels + 0.5) - law.cdf(levels - 0.5) + 1e-300)
    expected = np.where(levels == 0, upper, np.where(levels == 255, law.logsf(254.5), inside))
    found = np.asarray(of.bits(jnp.asarray(levels))) * -np.log(2)
    near = expected > -25  # beyond, the difference above has no digits left
    assert near.sum() > 12
    np.testing.assert_allclose(found[near], expected[near], rtol=2e-3, atol=2e-4)
    far = law.logsf(levels - 0.5)[~near & (levels > means)]
    np.testing.assert_array_less(found[~near & (levels > means)], far + 1e-3)


def test_the_masses_of_all_levels_add_to_one(rng):
    of = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (256, 4, 3)), _random(rng, (1, 4)))
    grid = jnp.broadcast_to(jnp.arange(256.0)[:, None], (256, 4))
    for colour in range(3):
        before = jnp.full((256, 4, 3), 90.0).at[..., colour].set(grid)
        mass = 2.0 ** -of.bits(before)[..., colour]
        np.testing.assert_allclose(mass.sum(0), 1.0, rtol=1e-4)


def test_a_scale_beyond_its_limits_is_the_limit(rng):
    of = _random(rng)
    levels = jnp.full((3, 4, 3), 100.0)
    for beyond, limit in zip((-9.0, 9.0), LOG_SCALES, strict=True):
        both = [
            of._replace(log_scale=jnp.full((3, 4, 3), at)).bits(levels) for at in (beyond, limit)
        ]
        np.testing.assert_array_equal(*both)


def test_gradients_are_finite_at_the_ends_and_far_away():
    def bits(mu, level):
        shape = (1, 1, 3)
        of = PixelDistribution(jnp.full(shape, mu), jnp.full(shape, -3.0), jnp.zeros(shape))
        return of.bits(jnp.full(shape, level)).sum()

    for level in (0.0, 7.0, 255.0):
        for mu in (-300.0, 7.0, 600.0):
            slope = jax.grad(bits)(mu, level)
            assert np.isfinite(slope)
    assert jax.grad(bits)(-300.0, 255.0) < -10  # it pays to come nearer
