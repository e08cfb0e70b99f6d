"""The code tables of variational Bayesian quantization: counted on photographs.

How likely a code point is hangs on the penalty and on how much the prior leaves open beside what
the posterior does. So there is a table for each of seven penalties and each of 32 scales of the
prior; as the posterior's scale varies little, that of the prior says most of what can be
known. A checkpoint holds them under three keys a level: the code points by the conditional
prior, those by the density of each channel, and these densities.
"""

from typing import NamedTuple

import numpy as np

from rdbound.coding.dyadic import REACH
from rdbound.coding.grid import EvenGrid
from rdbound.coding.tables import FrequencyTable, table_from_weights
from rdbound.ops.gaussian import LN2

__all__ = ["NODES", "PENALTIES", "PRIOR_SCALES", "Keys", "counted_tables", "keys_of", "node_of"]

PRIOR_SCALES = EvenGrid(-2.5, 0.25, 32)
"""Of the log-scales of priors."""

PENALTIES = LN2 * 4.0 ** np.arange(-3, 4)
"""That have tables; another takes those of the nearest in the logarithm."""

NODES = len(PENALTIES)
_SYMBOLS = 2 * REACH + 2
_POOLED, _UNIFORM = 16.0, 0.25  # counts that the tables of all scales, and no knowledge, weigh


class Keys(NamedTuple):
    """What a checkpoint calls a level's tables: code points by either prior, and densities."""

    conditional: str
    empirical: str
    density: str


def keys_of(level: int) -> Keys:
    """Of a level."""
    return Keys(f"vbq-{level}", f"vbq-empirical-{level}", f"vbq-density-{level}")


def node_of(penalty: float) -> int:
    """The number of the tables for a penalty."""
    return int(np.searchsorted(2.0 * PENALTIES[:-1], penalty))


def counted_tables(counts: np.ndarray) -> list[FrequencyTable]:
    """Of counts [NODES, PRIOR_SCALES.levels, symbols], one table each, in this order.

    A point and its mirror count alike; where few were counted, what was counted at all scales
    of the prior fills in.
    """
    mirrored = counts.astype(np.float64)
    mirrored[..., :-1] = 0.5 * (mirrored[..., :-1] + mirrored[..., -2::-1])
    pooled = mirrored.sum(1, keepdims=True) + 1e-9
    weights = mirrored + _POOLED * pooled / pooled.sum(-1, keepdims=True) + _UNIFORM / _SYMBOLS
    return [table_from_weights(row) for row in weights.reshape(-1, _SYMBOLS)]
