import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.ops.extent_mask import Extent, confined


def test_without_an_extent_all_of_an_array_is_the_image():
    x = jnp.ones((4, 6, 2), jnp.float32)
    assert confined(x, None) is x


@pytest.mark.parametrize("stride", [1, 2, 8])
def test_what_is_outside_is_zero_at_every_resolution(stride, rng):
    """An image of 16 × 40 pixels in an array of 32 × 48."""
    x = rng.standard_normal((32 // stride, 48 // stride, 3)).astype(np.float32)
    expected = np.zeros_like(x)
    expected[: 16 // stride, : 40 // stride] = x[: 16 // stride, : 40 // stride]
    np.testing.assert_array_equal(confined(jnp.asarray(x), Extent(16, 40, 32, 48)), expected)


def test_one_program_serves_images_of_all_sizes():
    traces = []

    @jax.jit
    def total(x, rows, columns):
        traces.append(1)
        return jnp.sum(confined(x, Extent(rows, columns, 8, 8)))

    x = jnp.ones((8, 8, 1), jnp.float32)
    for rows, columns in ((8, 8), (3, 5), (1, 8)):
        assert float(total(x, rows, columns)) == rows * columns
    assert len(traces) == 1
