import os

import numpy as np
import pytest


def pytest_configure(config):
    # No silent promotion of types. Ranks are promoted on purpose: a prior has a mean a
    # channel, [C], and stands against latents [H, W, C].
    os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
    # Before JAX is imported: the workers, and the processes that tests start,
    # share what XLA compiles, with each other and with the next run.
    if hasattr(config, "cache"):  # not with -p no:cacheprovider
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")


@pytest.fixture
def key():
    import jax

    return jax.random.key(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
