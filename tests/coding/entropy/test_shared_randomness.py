"""Shared samples: the published generator, the normal law, a place and not a sequence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rdbound.coding.entropy.shared_randomness import (
    LARGEST_NORMAL,
    level_key,
    shared_normals,
    threefry,
)

PUBLISHED = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
"""Key, counter and value of Threefry 2×32 of 20 rounds, from the authors' Random123."""


@pytest.mark.parametrize(("key", "counter", "value"), PUBLISHED)
def test_the_generator_is_the_published_one(key, counter, value):
    found = threefry(tuple(map(jnp.uint32, key)), tuple(map(jnp.uint32, counter)))
    assert tuple(map(int, found)) == value


def _drawn(seed=3, level=1, blocks=32, step=2, count=64, size=16):
    index = jnp.broadcast_to(jnp.arange(count, dtype=jnp.uint32), (blocks, count))
    block = jnp.arange(blocks, dtype=jnp.uint32)[:, None]
    key = level_key(seed, level)
    return np.asarray(shared_normals(key, block, jnp.uint32(step), index, size), np.float64)


def test_samples_are_normal_and_independent():
    x = _drawn()
    assert np.abs(x).max() < LARGEST_NORMAL
    assert stats.kstest(x.ravel(), stats.norm.cdf).pvalue > 1e-3
    assert abs(x.var() - 1.0) < 4 * (2 / x.size) ** 0.5 + 3e-5
    for axis in range(3):
        along = np.moveaxis(x, axis, 0)
        for a, b in (np.split(along, 2), (along[:-1], along[1:])):
            assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / a.size**0.5


@pytest.mark.parametrize("other", [{"seed": 4}, {"seed": 3 + 2**32}, {"level": 2}, {"step": 3}])
def test_every_part_of_the_place_counts(other):
    x, y = _drawn(), _drawn(**other)
    assert abs(np.corrcoef(x.ravel(), y.ravel())[0, 1]) < 4 / x.size**0.5


def test_none_is_larger_than_it_says():
    # Of 2^20 variates each of the 2^16 quantiles is missing with a probability of 10^-7.
    assert LARGEST_NORMAL - 0.01 < _drawn(count=2048).max() < LARGEST_NORMAL


def test_a_sample_is_found_by_its_place_alone():
    whole = _drawn()
    index = jnp.full((1, 1), 17, jnp.uint32)
    one = shared_normals(level_key(3, 1), jnp.full((1, 1), 5, jnp.uint32), jnp.uint32(2), index, 16)
    np.testing.assert_array_equal(np.asarray(one)[0, 0], whole[5, 17])
    jitted = jax.jit(shared_normals, static_argnums=4)
    np.testing.assert_array_equal(
        jitted(level_key(3, 1), jnp.full((1, 1), 5, jnp.uint32), jnp.uint32(2), index, 16), one
    )
