"""The tables of a model: which families of priors it has, and what they need.

A family of scales has one ladder of tables, shared by all levels that use it. A
density of channels has a table a channel, which must be the same for every datum and λ:
that is tried with two different pasts, at both ends of the model's range.
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
    """One table a channel of a prior that depends on nothing, around its centre.

    ``prior`` has ``channel_mass``, see :class:`rdbound.ops.distributions.Prior`.
    """
    return [table_from_mass(mass, reach) for mass, reach in prior.channel_mass()]


def key_of(family: str, level: int, scaled: bool) -> str:
    """What a codec's tables call those of a level: ladders are shared, channels are its own."""
    return family if scaled or level == 0 else f"{family}-{level}"


def make_tables(model: Any) -> Tables:
    """The integer tables of a codec. They belong to its checkpoint.

    Keys are those of :func:`key_of`; the ladder of Gaussians is always among them.

    Raises ValueError for a prior whose tables would have to change from datum
    to datum: a density of channels may depend on nothing, neither on the levels
    before it nor on λ.
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
    """Raise ValueError where ``tables`` are not those that a codec asks for, level by level.

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
    """Raise ValueError where ``tables`` are not the code points of a bound, level by level.

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
    """Of a prior that may be abstract: family and kind hang on none of its parameters."""
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), prior)
    return zeros.table_of(np.shape(zeros.centre))


def _datum_shape(model: Any) -> tuple[int, ...] | None:
    """The smallest image, or a vector; None where a model of vectors does not say its dimension."""
    if model.stride > 1:
        return (model.stride, model.stride, 3)
    return (model.dimension,) if hasattr(model, "dimension") else None


def _priors(model: Any, lmbda: float, fill: float, levels: int | None = None) -> tuple:
    """The priors of the first ``levels`` (or all) where every latent is ``fill``."""
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
    """The abstract priors of all levels; the first only where a datum's shape is not known."""
    graphdef, state = nnx.split(model)
    low, levels = model.lmbda_range[0], 1 if _datum_shape(model) is None else None
    return jax.eval_shape(
        lambda state: _priors(nnx.merge(graphdef, state), low, 0.0, levels), state
    )


def _constant_prior(model: Any, level: int) -> Any:
    """A level's prior, tried with two different pasts and at both ends of the range of λ."""
    low, high = model.lmbda_range
    tried = [_priors(model, at, fill, level + 1)[level] for at, fill in ((low, 0.0), (high, 1.0))]
    same = jax.tree.map(np.array_equal, *tried)
    if not all(jax.tree.leaves(same)):
        raise ValueError(
            f"level {level} of the model has a density of channels that depends on the levels "
            "before it, or on λ: no fixed table can code it; give it a Gaussian prior"
        )
    return tried[0]
