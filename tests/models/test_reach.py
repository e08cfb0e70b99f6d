"""The declared reach of every architecture is enough: farther cells do not change a result."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.models.base import cells_reached, level_model
from rdbound.models.compressai_models import BALLE, Balle
from rdbound.models.hyperprior import SIZES, ResHyper
from rdbound.models.lossless_vae import LOSSLESS, LosslessVAE
from rdbound.models.res_context import ResContext
from rdbound.models.resnet_vae import HIERARCHIES, ResNetVAE
from rdbound.objective.levels import walk

NARROW = "narrow"
"""A size of the depths of the smallest one: reach does not depend on widths."""

ARCHITECTURES = {
    "res-hyper": lambda: ResHyper(NARROW),
    "res-context": lambda: ResContext(NARROW),
    "resnet-vae": lambda: ResNetVAE(NARROW),
    "resnet-vae-lossless": lambda: LosslessVAE(NARROW),
    **{name: lambda kind=kind: Balle(kind, width=4, latent=4) for name, kind in BALLE.items()},
}


@pytest.fixture
def _narrow(monkeypatch):
    small = replace(SIZES["1"], widths=(8, 8, 8), latent=8, hyper=8)
    monkeypatch.setitem(SIZES, NARROW, small)
    for table, size in ((HIERARCHIES, "small"), (LOSSLESS, "lossless")):
        groups = tuple(replace(group, width=8, latent=2) for group in table[size])
        monkeypatch.setitem(table, NARROW, groups)


def _poisoned(tree, cells, middle):
    """Arrays with not-a-number in one row of cells; it spreads through weights of zero too."""

    def one(leaf):
        if getattr(leaf, "ndim", 0) != 3:
            return leaf
        rows = leaf.shape[0] // cells
        return leaf.at[middle * rows : (middle + 1) * rows].set(jnp.nan)

    return jax.tree.map(one, tree)


def _changed(out, cells, middle):
    """The largest distance in cells between ``middle`` and a result that is not a number."""
    most = 0
    for leaf in jax.tree.leaves(out):
        if leaf.ndim == 3:
            rows = np.flatnonzero(np.isnan(np.asarray(leaf)).any((1, 2)))
            places = rows // (leaf.shape[0] // cells)
            most = max([most, *np.abs(places - middle)])
    return most


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.usefixtures("_narrow")
def test_cells_beyond_the_reach_change_nothing(name):
    made = ARCHITECTURES[name]()
    lmbda = made.lmbda_range[0]
    model, reach = level_model(made), made.reach
    middle, cells = reach + 1, 2 * reach + 3
    x = np.random.default_rng(0).random((cells * made.stride, made.stride, 3), np.float32)
    distances = []

    def tried(call, *arguments):
        out = call(*_poisoned(arguments, cells, middle))
        distances.append(_changed(out, cells, middle))
        return call

    variational = model.infer(jnp.asarray(x), lmbda)
    tried(lambda x: model.infer(x, lmbda), jnp.asarray(x))

    def step(level, prior, state):
        tried(lambda state: model.prior(level, state), state)
        tried(lambda s, v: model.posterior(level, s, v), state, variational[level])
        latent = model.posterior(level, state, variational[level]).mu
        tried(lambda s, z: model.absorb(level, s, z), state, latent)
        return latent, None

    state = walk(model, lmbda, len(variational), step).state
    tried(model.synthesize, state)
    assert 1 <= max(distances) <= reach
    assert reach <= max(distances) + 1, "and not much more than it needs"


def test_reach_is_counted_by_hand():
    """Two 3×3 convolutions at stride 4: 8 pixels. Then one at stride 16: 16, and 16 more."""
    assert cells_reached(16, [(8, 4)]) == 1
    assert cells_reached(16, [(8, 4), (16, 16)]) == 2
    assert cells_reached(64, [(8, 4), (16, 16)], [(65, 1)]) == 2
    assert cells_reached(64, []) == 0
