"""The layers of the first learned codecs, against sums written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.models.compressai_models import GDN, Conv, ConvDown, ConvUp


def _input(height, width, channels):
    return jax.random.normal(jax.random.key(1), (height, width, channels))


@pytest.mark.parametrize(("make", "stride"), [(Conv, 1), (ConvDown, 2)])
@pytest.mark.parametrize("side", [3, 5])
def test_a_convolution_is_its_sum(make, stride, side):
    layer = make(2, 3, side, rngs=nnx.Rngs(0))
    layer.bias[...] = jnp.array([0.1, -0.2, 0.3])
    x = _input(6, 8, 2)
    kernel, padded = np.asarray(layer.kernel[...]), np.pad(x, [(side // 2,) * 2] * 2 + [(0, 0)])
    expected = np.array(
        [
            [
                np.einsum("ijc,ijcd->d", padded[r : r + side, s : s + side], kernel)
                for s in range(0, 8, stride)
            ]
            for r in range(0, 6, stride)
        ]
    ) + [0.1, -0.2, 0.3]
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_a_transposed_convolution_is_its_sum():
    """Of PyTorch's definition: x_i·w_k is added at 2i + k − 2."""
    layer = ConvUp(2, 3, 5, rngs=nnx.Rngs(0))
    layer.bias[...] = jnp.array([0.1, -0.2, 0.3])
    x, kernel = np.asarray(_input(3, 4, 2)), np.asarray(layer.kernel[...])
    out = np.zeros((6 + 4, 8 + 4, 3))
    for i in range(3):
        for j in range(4):
            out[2 * i : 2 * i + 5, 2 * j : 2 * j + 5] += np.einsum("c,abcd->abd", x[i, j], kernel)
    np.testing.assert_allclose(layer(x), out[2:8, 2:10] + [0.1, -0.2, 0.3], atol=1e-5)


def test_normalization_divides_by_the_root_and_its_inverse_multiplies():
    gdn, inverse = GDN(3), GDN(3, inverse=True)
    rng = np.random.default_rng(0)
    beta, gamma = rng.uniform(0.5, 2, 3), rng.uniform(0, 1, (3, 3))
    for layer in (gdn, inverse):
        layer.beta[...] = jnp.asarray(np.sqrt(beta + 2.0**-36), jnp.float32)
        layer.gamma[...] = jnp.asarray(np.sqrt(gamma + 2.0**-36), jnp.float32)
    x = np.asarray(_input(4, 5, 3))
    root = np.sqrt(beta + np.einsum("oi,hwi->hwo", gamma, x**2))
    np.testing.assert_allclose(gdn(x), x / root, rtol=1e-5)
    np.testing.assert_allclose(inverse(x), x * root, rtol=1e-5)


def test_parameters_stay_positive():
    gdn = GDN(2)
    gdn.beta[...], gdn.gamma[...] = jnp.array([-1.0, 0.0]), -jnp.ones((2, 2))
    x = _input(2, 2, 2)
    np.testing.assert_allclose(gdn(x), x / 1e-3, rtol=1e-4)
