"""The frequency tables that the priors of a model need.

A family of scales has a table for each scale, shared by all levels that use it. Densities of
channels have a table for each channel, which must be the same for every datum and λ:
that is tried with two different values of the earlier latents, at both ends of the model's range.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.coding.coders.vbq.empirical_prior import BINS
from rdbound.coding.coders.vbq.tables import (
    KNOWN,
    NODES,
    PRIOR_SCALES,
    WEIGHED,
    density_key,
    points_key,
)
from rdbound.coding.entropy.frequency_tables import (
    FrequencyTable,
    Tables,
    gaussian_tables,
    scaled_tables,
    table_from_mass,
)
from rdbound.coding.entropy.scale_table import SCALES
from rdbound.models.base import level_model
from rdbound.objective.levels import latent_shapes, walk
from rdbound.ops.code_points import SYMBOLS
from rdbound.ops.distributions import Lookup

__all__ = ["channel_tables", "check_codes", "check_tables", "key_of", "make_tables"]


def channel_tables(prior: Any) -> list[FrequencyTable]:
    """Return one table for each channel of a prior that depends on nothing, around its centre.

    ``prior`` has ``channel_mass``, see :class:`rdbound.ops.distributions.Prior`.
    """
    return [table_from_mass(mass, reach) for mass, reach in prior.channel_mass()]


def key_of(family: str, level: int, scaled: bool) -> str:
    """Return the key of a level's tables: those of a family of scales are shared by levels."""
    return family if scaled or level == 0 else f"{family}-{level}"


def make_tables(model: Any) -> Tables:
    """Return the tables of a codec, which belong to its checkpoint, by :func:`key_of`.

    The tables of Gaussians are always among them.

    Raises:
      ValueError: if a density of channels depends on the levels before it or on λ, so that its
        tables would differ from datum to datum.
    """
    found: Tables = {"gaussian": gaussian_tables()}
    first = _priors(model, model.lmbda_range[0], 0.0, 1)
    for level, prior in enumerate((*first, *_abstract_priors(model)[1:])):
        if hasattr(prior, "standard_mass"):
            family = _lookup(prior).family
            if family not in found:
                found[family] = scaled_tables(prior.standard_mass)
        elif hasattr(prior, "channel_mass"):
            constant = _constant_prior(model, level)
            name = key_of(constant.table_of(np.shape(constant.centre)).family, level, False)
            found[name] = channel_tables(constant)
    return found


def check_tables(model: Any, tables: Tables) -> None:
    """Raise ValueError if ``tables`` are not those that the levels of a codec need.

    Nothing is computed: ``model`` may be abstract as to its weights' values.
    """
    for level, prior in enumerate(_abstract_priors(model)):
        if not hasattr(prior, "table_of"):
            raise ValueError(f"level {level}: {type(prior).__name__} is no prior of integers")
        lookup = _lookup(prior)
        key = key_of(lookup.family, level, lookup.scaled)
        wanted = SCALES.levels if lookup.scaled else int(lookup.place.max()) + 1
        found = len(tables.get(key, ()))
        if found != wanted:
            raise ValueError(f"level {level} needs {wanted} tables {key!r}; there are {found}")


def check_codes(model: Any, tables: Tables) -> None:
    """Raise ValueError if ``tables`` lack the code points that the levels of a bound need.

    Nothing is computed: ``model`` may be abstract as to its weights' values.
    """
    shape = _datum_shape(model)
    shapes = () if shape is None else latent_shapes(model, shape)
    for level, (*_, channels) in enumerate(shapes):
        points = {
            points_key(level, prior, weigh): (SYMBOLS, NODES * PRIOR_SCALES.levels)
            for prior in KNOWN
            for weigh in WEIGHED
        }
        needed = points | {density_key(level): (BINS + 1, channels)}
        for key, (length, wanted) in needed.items():
            group = tables.get(key, [])
            lengths = {len(table.frequencies) for table in group}
            if len(group) != wanted or lengths != {length}:
                raise ValueError(
                    f"level {level} needs {wanted} tables {key!r} of {length} frequencies"
                )


def _lookup(prior: Any) -> Lookup:
    """Return the choice of tables of a prior that may be abstract: it depends on shapes alone."""
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), prior)
    return zeros.table_of(np.shape(zeros.centre))


def _datum_shape(model: Any) -> tuple[int, ...] | None:
    """Return the shape of the smallest image or of a vector, None if its dimension is unknown."""
    if model.stride > 1:
        return (model.stride, model.stride, 3)
    return (model.dimension,) if hasattr(model, "dimension") else None


def _priors(model: Any, lmbda: float, fill: float, levels: int | None = None) -> tuple:
    """Return the priors of the first ``levels`` (or all) levels if every latent is ``fill``."""
    if levels == 1:
        of = level_model(model)
        return (of.prior(0, of.start(jnp.float32(lmbda))),)
    shape = _datum_shape(model)
    assert shape is not None
    shapes = latent_shapes(model, shape)

    def step(level, prior, state):
        return jnp.full(shapes[level], fill, jnp.float32), prior

    return walk(level_model(model), jnp.float32(lmbda), levels or len(shapes), step).kept


def _abstract_priors(model: Any) -> tuple:
    """Return the abstract priors of all levels, of the first if the datum's shape is unknown."""
    graphdef, state = nnx.split(model)
    low, levels = model.lmbda_range[0], 1 if _datum_shape(model) is None else None
    return jax.eval_shape(
        lambda state: _priors(nnx.merge(graphdef, state), low, 0.0, levels), state
    )


def _constant_prior(model: Any, level: int) -> Any:
    """Return a level's prior, checked to be the same for two pasts at both ends of the λ range."""
    low, high = model.lmbda_range
    tried = [_priors(model, at, fill, level + 1)[level] for at, fill in ((low, 0.0), (high, 1.0))]
    same = jax.tree.map(np.array_equal, *tried)
    if not all(jax.tree.leaves(same)):
        raise ValueError(
            f"level {level} of the model has a density of channels that depends on the levels "
            "before it, or on λ: no fixed table can code it; give it a Gaussian prior"
        )
    return tried[0]
