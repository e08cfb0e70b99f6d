import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.datum import image_datum, stack, whole


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (65, 1), (63, 130)])
def test_padding_replicates_the_edge(size, rng):
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    datum = image_datum(image, 64)
    assert all(n % 64 == 0 for n in datum.x.shape[:2])
    assert float(datum.pixels) == size[0] * size[1]
    np.testing.assert_allclose(datum.x[-1, -1] * 255, image[-1, -1], atol=1e-4)
    inside = np.asarray(datum.mask[: size[0], : size[1]])
    assert inside.all()
    assert inside.sum() == np.asarray(datum.mask).sum()


def test_what_is_whole_counts_everywhere():
    assert float(whole(jnp.zeros((4, 6, 3))).pixels) == 24
    assert float(whole(jnp.zeros(5)).pixels) == 5
    both = stack([whole(jnp.zeros(5)), whole(jnp.ones(5))])
    np.testing.assert_array_equal(both.x.sum(1), [0, 5])
