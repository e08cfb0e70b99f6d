"""The code tables of variational Bayesian quantization: counted on photographs.

How likely a code point is hangs on the penalty and on how much the prior leaves open beside what
the posterior does. So there is a table for each of seven penalties and each of 32 scales of the
prior; as the posterior's scale varies little, that of the prior says most of what can be
known. A checkpoint holds them for either prior and either way of choosing points, and for each
level the densities of its channels.
"""

import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable, table_from_weights
from rdbound.coding.entropy.scale_table import EvenGrid
from rdbound.ops.code_points import SYMBOLS
from rdbound.ops.gaussian import LN2

__all__ = [
    "KNOWN",
    "NODES",
    "PENALTIES",
    "PRIOR_SCALES",
    "WEIGHED",
    "counted_tables",
    "density_key",
    "node_of",
    "points_key",
    "tables_at",
]

PRIOR_SCALES = EvenGrid(-2.5, 0.25, 32)
"""Grid of the log-scales of priors."""

PENALTIES = LN2 * 4.0 ** np.arange(-3, 4)
"""Penalties with tables of their own; another uses those of the nearest in the logarithm."""

NODES = len(PENALTIES)
KNOWN = ("conditional", "empirical")
"""Priors that a decoder knows: the model's own, and a density for each channel."""

WEIGHED = ("bits", "codes")
"""What a point costs an encoder: its own bits, or the length of its code."""

_POOLED, _UNIFORM = 16.0, 0.25  # counts that the tables of all scales, and no knowledge, weigh


def points_key(level: int, prior: str, weigh: str) -> str:
    """Return the key of a level's tables of code points in a checkpoint.

    Args:
      level: index of the latent.
      prior: name in :data:`KNOWN`.
      weigh: name in :data:`WEIGHED`: the cost by which the encoder chose the points.
    """
    return f"vbq-{prior}-{weigh}-{level}"


def density_key(level: int) -> str:
    """Return the key of the densities of a level's channels in a checkpoint."""
    return f"vbq-density-{level}"


def node_of(penalty: float) -> int:
    """Return the index in :data:`PENALTIES` of the tables for a penalty."""
    return int(np.searchsorted(2.0 * PENALTIES[:-1], penalty))


def tables_at(tables: list[FrequencyTable], penalty: float) -> list[FrequencyTable]:
    """Return those of a level's tables that are for a penalty, one for each scale of the prior."""
    first = PRIOR_SCALES.levels * node_of(penalty)
    return tables[first : first + PRIOR_SCALES.levels]


def counted_tables(counts: np.ndarray) -> list[FrequencyTable]:
    """Return one table for each row of counts [NODES, PRIOR_SCALES.levels, symbols].

    A point and its mirror have the same weight; the counts at all scales of the prior are added
    with a small weight.
    """
    mirrored = counts.astype(np.float64)
    mirrored[..., :-1] = 0.5 * (mirrored[..., :-1] + mirrored[..., -2::-1])
    pooled = mirrored.sum(1, keepdims=True) + 1e-9
    weights = mirrored + _POOLED * pooled / pooled.sum(-1, keepdims=True) + _UNIFORM / SYMBOLS
    return [table_from_weights(row) for row in weights.reshape(-1, SYMBOLS)]
