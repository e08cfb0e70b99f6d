import os

# Tests run in a worker per core: more threads than that get into each other's way.
os.environ.setdefault("NPROC", "1")

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
