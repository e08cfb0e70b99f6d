import os

import numpy as np
import pytest

SHAPED = ("rdbound.ops", "rdbound.channels", "rdbound.models", "rdbound.objective")
"""Packages whose signatures are checked for shapes wherever a test calls them."""


def pytest_configure(config):
    # Before JAX is imported: the workers, and the processes that tests start,
    # share what XLA compiles, with each other and with the next run.
    # Tests compile more than they compute: LLVM at its lowest level saves a third of the time.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
    if hasattr(config, "cache"):  # not with -p no:cacheprovider
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    # Imported here, since they import JAX.
    import jaxtyping

    import tests.shapes  # noqa: F401 (named below)

    jaxtyping.install_import_hook(SHAPED, "tests.shapes.checked")


@pytest.fixture
def key():
    import jax

    return jax.random.key(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def strict(request):
    """In the leaf numerics no type and no rank is promoted silently.

    Elsewhere both are on purpose: a prior has a mean a channel, [C], and stands against
    latents [H, W, C]; and optax's Adam multiplies floats by its integer count.
    """
    if request.path.parent.name not in ("ops", "channels"):
        yield
        return
    import jax

    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield
