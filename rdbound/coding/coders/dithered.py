"""The coder of the uniform channel: dithered quantization (Ziv 1985; Agustsson & Theis 2020).

Encoder and decoder share a dither u. The index round(μ − μ̂ − u) is written, and index +
u + μ̂ is the latent: its distance from μ is uniform on a unit interval and independent of μ,
like the noise that the model was trained with.
"""

from typing import Any

import numpy as np

from rdbound.coding.coders.seeded import SeededCoder
from rdbound.coding.entropy.dithered_tables import (
    ChannelBins,
    ScaledBins,
    ShiftedBins,
    agreed_masses,
    latent_at,
    read_bins,
    write_bins,
)
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import SCALES
from rdbound.coding.entropy.shared_randomness import dither, shared_integers
from rdbound.ops.distributions import Mixture, Prior

__all__ = ["DitheredCoder"]


class DitheredCoder(SeededCoder):
    """Write dithered indexes with the range coder, by the probabilities of their shifted bins.

    The realized bits of an index are −log₂ of the prior's probability of the unit bin around the
    latent: on average over dithers the rate of the uniform channel.

    Args:
      tables: the checkpoint's tables; not used, since the bins are not those of integers.
      seed: seed of the dither. Two data coded with one seed have the same dither.

    Raises:
      ValueError: for a seed out of range.
    """

    name = "dithered"
    code = 1
    channel = "uniform"

    def __init__(self, tables: Tables, seed: int = 0):
        super().__init__(tables, seed=seed)
        self._scaled: dict[str, ShiftedBins] = {}

    def write(self, level: int, posterior: Any, prior: Prior, stream: Writer) -> np.ndarray:
        """Write the dithered index; the posterior's scale is not used. See :meth:`Coder.write`.

        Raises:
          ValueError: for a residual that is not finite or that reaches 2^30, and for a prior whose
            bins cannot be shifted.
        """
        mu = np.asarray(posterior.mu)
        boxes, index = self._boxes(level, prior, mu.shape, stream)
        u = self._dither(level, mu.shape)
        k = write_bins(stream, (mu - prior.centre).astype(np.float64).ravel() - u, u, boxes, index)
        return latent_at(k + u, prior, mu.shape)

    def read(self, level: int, prior: Prior, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """Read the dithered index. See :meth:`Coder.read`."""
        boxes, index = self._boxes(level, prior, shape, stream)
        u = self._dither(level, shape)
        return latent_at(read_bins(stream, u, boxes, index) + u, prior, shape)

    def _dither(self, level: int, shape: tuple[int, ...]) -> np.ndarray:
        return dither(shared_integers(self.seed, level, int(np.prod(shape))))

    def _boxes(
        self, level: int, prior: Prior, shape: tuple[int, ...], stream: Writer | Reader
    ) -> tuple[ShiftedBins, np.ndarray]:
        """Return the bins of a level's prior, and the index of each element's density [n]."""
        lookup = prior.table_of(shape)
        place = lookup.place.ravel()
        if lookup.scaled:
            if lookup.family not in self._scaled:
                mass = prior.standard_mass  # type: ignore[attr-defined]
                self._scaled[lookup.family] = ScaledBins(mass, SCALES)
            return self._scaled[lookup.family], agreed(stream, place)
        if isinstance(prior, Mixture):
            return ChannelBins(agreed_masses(prior, stream)), place
        raise ValueError(
            f"level {level}: the bins of a {type(prior).__name__} cannot be shifted by a dither; "
            "the coder 'rounding' serves it"
        )
