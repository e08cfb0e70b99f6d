import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "allow")


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
