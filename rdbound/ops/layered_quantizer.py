"""The expected bits of an index of the layered quantizer, and the scales of the least J.

Given the scale s of the noise, the scale q·s of the mean's prior, and the distance x·s of the mean
from the prior's mean, the expected bits of the index are one function of x and q:

    F(x, q) = E −log₂ P(|q·N(0, 1) − (x + w·v)| < w/2),  w = 2·χ₃, v ~ U(−½, ½)

For a mean drawn from its prior that is near ½·log₂(1 + q²) + 0.52 where q is large, and
proportional to q where it is small, while the KL divergence falls with q²: latents of a low KL
divergence cost many bits, and to drop whole channels lowers J.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats
from scipy.special import log_ndtr

from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2
from rdbound.ops.tied_scale import NOISES, PriorScaled, spread_of

__all__ = ["expected_bits", "layered_fit"]

_LOG_Q = np.linspace(-9.0, 8.0, 69)
_LOG_X = np.linspace(-5.0, 7.0, 97)
_NODES = 48  # of each of the two expectations
_MOST = 40.0  # bits: a coder escapes what is rarer
_PLACES = 1024  # of a channel, that its scales are chosen by


@cache
def _table() -> np.ndarray:
    """Return F on the grid, float32 [_LOG_X, _LOG_Q]."""
    middle = (np.arange(_NODES) + 0.5) / _NODES
    width = 2.0 * stats.chi.ppf(middle, 3)[:, None]
    q = np.exp(_LOG_Q)[:, None, None]

    def row(x: float) -> np.ndarray:
        far = np.abs(x + width * (middle - 0.5))
        upper, lower = log_ndtr((0.5 * width - far) / q), log_ndtr((-0.5 * width - far) / q)
        bits = -(upper + np.log(-np.expm1(np.minimum(lower - upper, -1e-12)))) / LN2
        return np.minimum(bits, _MOST).mean((-2, -1))

    return np.stack([row(x) for x in np.exp(_LOG_X)]).astype(np.float32)


def expected_bits(
    x: Float[Array, "*shape"], log_q: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return F(x, q) of the module's docstring, elementwise, to about 1 %.

    It is interpolated in a table, bilinearly in the logarithms. Bits above 40 count as 40.
    """
    table = jnp.asarray(_table())

    def place(value: jax.Array, grid: np.ndarray) -> tuple[jax.Array, jax.Array]:
        position = (value - float(grid[0])) / float(grid[1] - grid[0])
        position = jnp.clip(position, 0.0, len(grid) - 1.001)
        low = jnp.floor(position)
        return low.astype(jnp.int32), position - low

    i, a = place(jnp.log(jnp.abs(x) + 1e-9), _LOG_X)
    j, b = place(log_q, _LOG_Q)
    below = (1.0 - b) * table[i, j] + b * table[i, j + 1]
    above = (1.0 - b) * table[i + 1, j] + b * table[i + 1, j + 1]
    return (1.0 - a) * below + a * above


def layered_fit(posterior: Gaussian, prior: Gaussian) -> PriorScaled:
    """Return the posterior with the same means and, for each channel, the noise of the least J.

    To second order, and up to terms that do not depend on the scale s, J is the bits of the
    indexes and ½·(1/σ² − 1/σ̂²)·s² nats of distortion if the posterior was optimal for the KL
    divergence. For every noise of :data:`rdbound.ops.tied_scale.NOISES` two spreads are
    tried: none, and that of the means. At most 1024 places of a channel decide.
    """
    shape = posterior.mu.shape
    mu, log_sigma, centre, log_prior = (
        _some(jnp.broadcast_to(array, shape))
        for array in (posterior.mu, posterior.log_sigma, prior.mu, prior.log_sigma)
    )
    near = Gaussian(centre, log_prior)
    curvature = jnp.maximum(jnp.exp(-2.0 * log_sigma) - jnp.exp(-2.0 * log_prior), 0.0)

    def tried(log_noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the costs and the log-spreads of two spreads, [2, C] each."""
        noise = jnp.broadcast_to(log_noise, mu.shape[-1:])
        plain = PriorScaled(mu, noise)
        spreads = jnp.stack([jnp.full_like(noise, plain.log_spread), spread_of(plain, near)])
        log_s = plain.given(near).log_sigma
        distortion = 0.5 * curvature * jnp.exp(2.0 * log_s) / LN2

        def cost(log_spread: jax.Array) -> jax.Array:
            log_q = plain._replace(log_spread=log_spread).log_ratio(near)
            bits = expected_bits((mu - centre) * jnp.exp(-log_s), log_q)
            return jnp.sum(bits + distortion, axis=tuple(range(mu.ndim - 1)))

        return jax.vmap(cost)(spreads), spreads

    costs, spreads = jax.lax.map(tried, jnp.asarray(NOISES))
    costs, spreads = (array.reshape(-1, array.shape[-1]) for array in (costs, spreads))
    best = jnp.argmin(costs, axis=0)
    chosen = jnp.take_along_axis(spreads, best[None], axis=0)[0]
    noise = jnp.asarray(NOISES)[best // 2]
    return PriorScaled(posterior.mu, *map(jax.lax.stop_gradient, (noise, chosen)))


def _some(array: jax.Array) -> jax.Array:
    """Return at most :data:`_PLACES` places of each channel, the last axis.

    They are drawn at random, since a regular pattern may miss the places with information.
    """
    places = array.reshape(-1, array.shape[-1])
    if len(places) <= _PLACES:
        return places
    return places[np.random.default_rng(0).choice(len(places), _PLACES, replace=False)]
