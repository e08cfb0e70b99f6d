import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.objective.datum import Datum, image_datum, resized, stack, whole


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


def test_evidence_is_cut_to_the_image_and_stands_beside_zeros_in_its_frame(rng):
    """At every resolution, for images of 16 × 24 pixels in frames of 32 × 32."""
    small, large = (
        Datum(jnp.zeros((2, 1, *s, 3)), jnp.zeros((2, 1, *s, 1))) for s in ((16, 24), (32, 32))
    )
    variational = [rng.standard_normal((2, 1, 32 // k, 32 // k, 5)) for k in (1, 8)]
    cut = resized(variational, large, small)
    again = resized(cut, small, large)
    for k, leaf, own, back in zip((1, 8), variational, cut, again, strict=True):
        rows, columns = 16 // k, 24 // k
        np.testing.assert_allclose(own, leaf[:, :, :rows, :columns], rtol=1e-6)
        expected = np.zeros_like(leaf)
        expected[:, :, :rows, :columns] = leaf[:, :, :rows, :columns]
        np.testing.assert_allclose(back, expected, rtol=1e-6)
    assert resized(variational, large, large) is variational
