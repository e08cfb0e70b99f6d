"""Both latents of lossy bits-back, pushed on a stack or popped from it.

ẑ lies on a grid of its own, ŷ at the integers. Encoder and decoder must use the same frequency
tables for each element: the indexes are settled in a stream beside the stack, in the decoder's
order, first those of ẑ's prior, then those of ŷ's, then Q's.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from rdbound.coding.codecs.base import Sized
from rdbound.coding.entropy.ans_stack import BitStack, read_excess, write_excess
from rdbound.coding.entropy.dithered_tables import ScaledBins, agreed_masses, bin_tables
from rdbound.coding.entropy.frequency_tables import FrequencyTable, gaussian_tables, table_from_mass
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer, integers
from rdbound.coding.entropy.scale_table import SCALES, EvenGrid
from rdbound.models.base import LevelModel, VariationalParameters
from rdbound.ops.distributions import Gaussian

__all__ = ["Placed", "TwoLevels"]

WIDTH = 1.0 / 32
"""Width of the bins of ẑ: so fine that Q's entropy is its differential one, to 0.001 bit."""

_MEANS = EvenGrid(-8192.0, 0.25, 2**16)  # of y's prior: finer ones win less than their guard costs
_PLACES = EvenGrid(-(2.0**15), 1.0, 2**16)  # of Q, in boxes
# What is inferred in many steps differs more between two machines than a network's output.
_WIDE_BAND = 1e-4


@dataclass(frozen=True)
class Placed:
    """Q on its grids: for each ẑ the bin of the mean, and the table of the scale."""

    place: np.ndarray
    scale: np.ndarray

    @cached_property
    def groups(self) -> np.ndarray:
        """Return the table index of each latent, [n]."""
        return self.scale.astype(np.int64)

    @property
    def tables(self) -> list[FrequencyTable]:
        """Return the tables, by scales in bins."""
        return gaussian_tables()

    def values(self, offsets: np.ndarray) -> np.ndarray:
        """Return the bin of each ẑ from its distance to the mean's bin, int64 [n]."""
        return self.place + offsets

    def offsets(self, boxes: np.ndarray) -> np.ndarray:
        """Return the distance of each bin to the mean's bin: the inverse of :meth:`values`."""
        return boxes - self.place


class TwoLevels:
    """Both latents of one image, written to a stack or read from it.

    Args:
      model: the compiled model.
      boxes: the bin probabilities of y's priors.
      at: the size of the image and λ.
      stream: table indexes are settled in it.

    Attributes:
      shapes: shapes of z and of y.
    """

    def __init__(self, model: LevelModel, boxes: ScaledBins, at: Sized, stream: Writer | Reader):
        self._model, self._boxes, self._stream = model, boxes, stream
        self.shapes = tuple(map(tuple, at.shapes))
        self._start = model.start(at.lmbda)
        self._prior = model.prior(0, self._start)
        z = self.shapes[0]
        self._channel = np.broadcast_to(np.arange(z[-1]), z).ravel()
        self._centre = np.broadcast_to(np.asarray(self._prior.centre), z)

    def rounded(self, known: VariationalParameters) -> np.ndarray:
        """Return ŷ, the nearest integers, float32."""
        state = self._model.absorb(0, self._start, jnp.zeros(self.shapes[0]))
        mu = np.asarray(self._model.posterior(1, state, known[1]).mu)
        return integers(mu).astype(np.float32)

    def state(self, boxes: np.ndarray, y: np.ndarray | None = None) -> Any:
        """Return the decoder's state after ẑ, or after ŷ if it is given."""
        z = (boxes.reshape(self.shapes[0]) * WIDTH).astype(np.float32) + self._centre
        state = self._model.absorb(0, self._start, jnp.asarray(z, jnp.float32))
        return state if y is None else self._model.absorb(1, state, jnp.asarray(y))

    def placed(self, q: Gaussian, stream: Writer | Reader | None = None) -> Placed:
        """Return Q on its grids, settled in a stream or, without one, for this machine alone."""
        mean = (np.asarray(q.mu, np.float64) - self._centre).ravel() / WIDTH
        log_scale = np.asarray(q.log_sigma, np.float64).ravel() - np.log(WIDTH)
        if stream is None:
            place, scale = _PLACES.nearest(mean)[0], SCALES.nearest(log_scale)[0]
        else:
            place = agreed(stream, mean, _PLACES, _WIDE_BAND)
            scale = agreed(stream, log_scale, SCALES, _WIDE_BAND)
        return Placed(np.rint(_PLACES.value(place)).astype(np.int64), scale)

    def posterior(self, q: Gaussian) -> Placed:
        """Return Q on its grids, settled in the stream."""
        return self.placed(q, self._stream)

    def push_y_and_z(self, stack: BitStack, boxes: np.ndarray, y: np.ndarray) -> None:
        """Push ŷ, then ẑ, and write the table indexes in the decoder's order."""
        assert isinstance(self._stream, Writer)
        z_tables = self._tables_of_z()
        write_excess(self._stream, boxes, self._channel, z_tables)
        nearest, signs, groups, tables = self._tables_of_y(boxes)
        offsets = ((y.ravel().astype(np.int64) - nearest) * signs).astype(np.int64)
        write_excess(self._stream, offsets, groups, tables)
        stack.push(offsets, groups, tables)
        stack.push(boxes, self._channel, z_tables)

    def pop_z(self, stack: BitStack) -> np.ndarray:
        """Return the bin of each ẑ, int64 [n]."""
        assert isinstance(self._stream, Reader)
        tables = self._tables_of_z()
        popped = stack.pop(self._channel, tables)
        return read_excess(self._stream, popped, self._channel, tables).astype(np.int64)

    def pop_y(self, stack: BitStack, boxes: np.ndarray) -> np.ndarray:
        """Return ŷ, float32."""
        assert isinstance(self._stream, Reader)
        nearest, signs, groups, tables = self._tables_of_y(boxes)
        popped = stack.pop(groups, tables)
        offsets = read_excess(self._stream, popped, groups, tables)
        return (offsets * signs + nearest).astype(np.float32).reshape(self.shapes[1])

    def _tables_of_z(self) -> list[FrequencyTable]:
        masses = agreed_masses(self._prior, self._stream, WIDTH)
        return [table_from_mass(mass, reach) for mass, reach in masses]

    def _tables_of_y(
        self, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[FrequencyTable]]:
        """Return the integer next to each mean, signs, the table index of each [n], the tables."""
        prior = self._model.prior(1, self.state(boxes))
        mu, log_sigma = (np.broadcast_to(x, self.shapes[1]).ravel() for x in prior)
        mean = _MEANS.value(agreed(self._stream, mu, _MEANS))
        scale = agreed(self._stream, log_sigma, SCALES)
        nearest = np.rint(mean)
        u = nearest - mean
        groups, tables = bin_tables(self._boxes, scale, u)
        return nearest.astype(np.int64), self._boxes.signs(u), groups, tables
