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
"""Of the log-scales of priors."""

PENALTIES = LN2 * 4.0 ** np.arange(-3, 4)
"""That have tables; another takes those of the nearest in the logarithm."""

NODES = len(PENALTIES)
KNOWN = ("conditional", "empirical")
"""Priors that a decoder knows: the model's own, and a density a channel."""

WEIGHED = ("bits", "codes")
"""What a point costs an encoder: its own bits, or the length of its code."""

_POOLED, _UNIFORM = 16.0, 0.25  # counts that the tables of all scales, and no knowledge, weigh


def points_key(level: int, prior: str, weigh: str) -> str:
    """What a checkpoint calls a level's tables of code points.

    Args:
      level: of the latent.
      prior: in :data:`KNOWN`.
      weigh: in :data:`WEIGHED`, what the encoder chose points by.
    """
    return f"vbq-{prior}-{weigh}-{level}"


def density_key(level: int) -> str:
    """What it calls the densities of the level's channels."""
    return f"vbq-density-{level}"


def node_of(penalty: float) -> int:
    """The number of the tables for a penalty."""
    return int(np.searchsorted(2.0 * PENALTIES[:-1], penalty))


def tables_at(tables: list[FrequencyTable], penalty: float) -> list[FrequencyTable]:
    """Of a level's tables those for a penalty, one a scale of the prior."""
    first = PRIOR_SCALES.levels * node_of(penalty)
    return tables[first : first + PRIOR_SCALES.levels]


def counted_tables(counts: np.ndarray) -> list[FrequencyTable]:
    """Of counts [NODES, PRIOR_SCALES.levels, symbols], one table each, in this order.

    A point and its mirror count alike; where few were counted, what was counted at all scales
    of the prior fills in.
    """
    mirrored = counts.astype(np.float64)
    mirrored[..., :-1] = 0.5 * (mirrored[..., :-1] + mirrored[..., -2::-1])
    pooled = mirrored.sum(1, keepdims=True) + 1e-9
    weights = mirrored + _POOLED * pooled / pooled.sum(-1, keepdims=True) + _UNIFORM / SYMBOLS
    return [table_from_weights(row) for row in weights.reshape(-1, SYMBOLS)]
