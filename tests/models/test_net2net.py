import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.models import make_model
from rdbound.models.layers import Down, FasterBlock, Moments, Spatial, Up
from rdbound.models.net2net import grow


def _grown(small, large):
    graphdef, state = nnx.split(large)
    weights = grow(large, flat_weights(small))
    flat = [
        (path, leaf.replace(jnp.asarray(weights[".".join(map(str, path))])))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graphdef, nnx.from_flat_state(flat))


def _noisy(model, rng):
    graphdef, state = nnx.split(model)
    flat = [
        (path, leaf.replace(leaf[...] + 0.1 * rng.standard_normal(leaf[...].shape)))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graphdef, nnx.from_flat_state(flat))


class Chain(nnx.Module):
    """Every layer whose channels fall into groups, one after another."""

    def __init__(self, width, out, blocks, seed):
        rngs = nnx.Rngs(seed)
        self.down = Down(3, width, 2, rngs=rngs)
        self.down_again = Down(width, width, 2, rngs=rngs)
        self.blocks = nnx.List([FasterBlock(width, 5, rngs=rngs) for _ in range(blocks)])
        self.moments = Moments(width, 2 * out, rngs=rngs)
        self.up = Up(out, width, 2, rngs=rngs)
        self.spatial = Spatial(width, width, (3, 3), rngs=rngs)
        self.to_x = Up(width, 3, 2, rngs=rngs)

    def __call__(self, x, e):
        h = self.down_again(self.down(x))
        for block in self.blocks:
            h = block(h, e)
        mu, log_sigma = jnp.split(self.moments(h), 2, axis=-1)
        return mu, log_sigma, self.to_x(self.spatial(self.up(mu)))


def test_a_wider_and_deeper_model_starts_as_the_same_function(rng):
    small = _noisy(Chain(8, 6, 1, seed=0), rng)
    large = _grown(small, Chain(12, 10, 3, seed=1))
    x = jnp.asarray(rng.standard_normal((16, 24, 3)), jnp.float32)
    e = jnp.asarray(rng.standard_normal(5), jnp.float32)
    mu, log_sigma, image = small(x, e)
    wide_mu, wide_log_sigma, wide_image = large(x, e)
    np.testing.assert_allclose(wide_mu[..., :6], mu, atol=1e-5)
    np.testing.assert_allclose(wide_log_sigma[..., :6], log_sigma, atol=1e-5)
    np.testing.assert_allclose(wide_image, image, atol=1e-5)
    assert float(jnp.abs(wide_mu[..., 6:]).max()) > 0, "what is new is computed already"


@pytest.mark.slow
def test_the_old_latents_of_a_wider_res_hyper_mean_what_they_did(rng):
    small = make_model("res-hyper-1", "bound", 0.01, latent=64)
    large = _grown(small, make_model("res-hyper-1", "bound", 0.01, latent=96, seed=3))
    x = jnp.asarray(rng.random((64, 64, 3)), jnp.float32)
    z, y = jax.jit(small.infer)(x, 0.01)
    wide_z, wide_y = jax.jit(large.infer)(x, 0.01)
    np.testing.assert_allclose(wide_z.mu, z.mu, atol=1e-5)
    np.testing.assert_allclose(wide_y.mu[..., :64], y.mu, atol=1e-4)
    padded = jnp.concatenate([y.mu, jnp.ones((*y.mu.shape[:2], 32))], -1)
    # The synthesis does not listen to new latents yet.
    np.testing.assert_allclose(
        jax.jit(large.synthesize)((z.mu, padded), 0.01),
        jax.jit(small.synthesize)((z.mu, y.mu), 0.01),
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "weights",
    [
        {"nowhere.kernel": np.zeros((2, 2))},
        {"moments.kernel": np.zeros((99, 12))},
        {"moments.kernel": np.zeros(3)},
    ],
)
def test_a_weight_without_a_place_is_named(weights):
    with pytest.raises(ValueError, match=r"weight .*kernel .* has no place in this model"):
        grow(Chain(8, 6, 1, seed=0), weights)
