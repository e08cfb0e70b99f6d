import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.models.layers import (
    DepthwiseBlock,
    Spatial,
    depth_to_space,
    depthwise,
    leaky_relu,
    space_to_depth,
)


def test_gradients_are_those_of_automatic_differentiation(rng):
    theirs = nnx.Conv(6, 6, (3, 3), rngs=nnx.Rngs(0))
    ours = Spatial(6, 6, (3, 3), rngs=nnx.Rngs(0))
    x = jnp.asarray(rng.normal(size=(2, 9, 5, 6)), jnp.float32)
    target = jnp.asarray(rng.normal(size=x.shape), jnp.float32)

    def gradients(layer, batch):
        graphdef, params = nnx.split(layer)
        call = lambda p, x: nnx.merge(graphdef, p)(x)  # noqa: E731
        run = jax.vmap(call, (None, 0)) if batch else call
        loss = lambda p, x: jnp.sum((run(p, x) - target) ** 2)  # noqa: E731
        return jax.tree.leaves(jax.grad(loss, (0, 1))(params, x))

    for a, b in zip(gradients(ours, True), gradients(theirs, False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_depth_to_space_undoes_space_to_depth(rng):
    x = rng.normal(size=(6, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(depth_to_space(space_to_depth(jnp.asarray(x), 2), 2), x)


def test_depthwise_is_a_grouped_convolution(rng):
    x = jnp.asarray(rng.normal(size=(6, 9, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 5)), jnp.float32)
    theirs = jax.lax.conv_general_dilated(
        x[None],
        kernel[:, :, None],
        (1, 1),
        "SAME",
        feature_group_count=5,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision="highest",
    )[0]
    np.testing.assert_allclose(depthwise(x, kernel), theirs, atol=1e-5)


def test_the_depthwise_block_is_its_formula(rng):
    """1×1, leaky ReLU, depth-wise, 1×1, residual; then a·LeakyReLU₀.₁(b), 1×1, residual."""
    block = DepthwiseBlock(4, 6, rngs=nnx.Rngs(0))
    block.reduce.kernel[...] = jnp.asarray(rng.normal(size=(12, 6)), jnp.float32)
    x = jnp.asarray(rng.normal(size=(3, 5, 4)), jnp.float32)
    h = block.second(depthwise(leaky_relu(block.first(x)), block.kernel[...])) + block.skip(x)
    wide = block.expand(h)
    gated = wide[..., :12] * jnp.where(wide[..., 12:] > 0, wide[..., 12:], 0.1 * wide[..., 12:])
    np.testing.assert_allclose(block(x), h + block.reduce(gated), atol=1e-5)
