import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.ops.distances import squared_distances


@pytest.mark.parametrize("dimension", [1, 3, 16, 37])
@pytest.mark.parametrize("away", [0.0, 1000.0])
def test_distances_are_those_of_float64(dimension, away, rng):
    """Two clusters, ``away`` from their mean: within one, neighbours are about a tenth apart."""
    side = np.where(np.arange(30) % 2, away, -away)[:, None]
    x, y = (np.float32(side + 0.1 * rng.normal(size=(30, dimension))) for _ in range(2))
    found = squared_distances(jnp.asarray(x), jnp.asarray(y))
    exact = ((x[:, None].astype(np.float64) - y) ** 2).sum(-1)
    np.testing.assert_allclose(found, exact, rtol=2e-6)


@pytest.mark.parametrize("dimension", [2, 18])
def test_the_gradient_is_that_of_the_differences(dimension, rng):
    x, y, g = (
        jnp.asarray(rng.normal(size=shape), jnp.float32) + 5
        for shape in ((12, dimension), (7, dimension), (12, 7))
    )
    whole = jax.grad(lambda x, y: (g * squared_distances(x, y)).sum(), (0, 1))(x, y)
    plain = jax.grad(lambda x, y: (g[:, :, None] * (x[:, None] - y[None]) ** 2).sum(), (0, 1))(x, y)
    for found, expected in zip(whole, plain, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
