"""The coder of the rounding channel: integers through fixed frequency tables."""

from typing import Any

import numpy as np

from rdbound.coding.coders.base import Coder
from rdbound.coding.entropy.frequency_tables import FrequencyTable
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.model_tables import key_of
from rdbound.coding.entropy.range_coder import Reader, Writer, integers
from rdbound.ops.distributions import Prior

__all__ = ["RoundingCoder"]


class RoundingCoder(Coder):
    """Write round(μ − μ̂) with the range coder, each symbol through the table of its prior.

    A scale chooses a table of its family's ladder, kept the same on every machine by the guard
    list; a channel's density has a table of its own. For each level the guard list of its scales,
    if it has any, is written and then the symbols, grouped by table. The table indexes go into the
    stream's checksum.
    """

    name = "rounding"
    code = 0
    channel = "rounding"

    def write(self, level: int, posterior: Any, prior: Prior, stream: Writer) -> np.ndarray:
        """Write the rounded mean; the posterior's scale is not used. See :meth:`Coder.write`.

        Raises:
          ValueError: for a residual that is not finite or that reaches 2^30.
        """
        residual = integers(np.asarray(posterior.mu) - prior.centre)
        groups, tables = self._choose(level, prior, residual.shape, stream)
        stream.symbols(residual.ravel(), groups, tables)
        return residual.astype(np.float32) + prior.centre

    def read(self, level: int, prior: Prior, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """Read the rounded mean. See :meth:`Coder.read`."""
        groups, tables = self._choose(level, prior, shape, stream)
        residual = stream.symbols(groups, tables).reshape(shape)
        return residual.astype(np.float32) + prior.centre

    def _choose(
        self, level: int, prior: Prior, shape: tuple[int, ...], stream: Writer | Reader
    ) -> tuple[np.ndarray, list[FrequencyTable]]:
        """Return the table index of each symbol [n], and the tables."""
        lookup = prior.table_of(shape)
        tables = self.tables[key_of(lookup.family, level, lookup.scaled)]
        place = lookup.place.ravel()
        if not lookup.scaled:
            return place.astype(np.uint16), tables
        return agreed(stream, place), tables
