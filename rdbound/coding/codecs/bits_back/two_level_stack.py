"""Both latents of bits-back, pushed on a stack or popped from it.

ẑ lies on a grid of its own, ŷ at the integers. What both sides must agree on, which tables
there are and which each element has, goes through a stream beside the stack, in the
decoder's order: first what ẑ is read by, then ŷ, then Q.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from rdbound.coding.codecs.compiled_model import CompiledModel
from rdbound.coding.entropy.ans_stack import BitStack, read_excess, write_excess
from rdbound.coding.entropy.dithered_tables import ScaledBins, agreed_masses, bin_tables
from rdbound.coding.entropy.frequency_tables import FrequencyTable, gaussian_tables, table_from_mass
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer, integers
from rdbound.coding.entropy.scale_table import SCALES, EvenGrid
from rdbound.models.base import LatentModel, VariationalParameters
from rdbound.objective.datum import padded_shape
from rdbound.objective.levels import latent_shapes
from rdbound.ops.distributions import Gaussian

__all__ = ["Frame", "Placed", "TwoLevels"]

WIDTH = 1.0 / 32
"""Of the boxes of ẑ: so fine that Q's entropy is its differential one, to 0.001 bit."""

_MEANS = EvenGrid(-8192.0, 0.25, 2**16)  # of y's prior: finer ones win less than their guard costs
_PLACES = EvenGrid(-(2.0**15), 1.0, 2**16)  # of Q, in boxes
# What is inferred in many steps differs more between two machines than a network's output.
_WIDE_BAND = 1e-4


@dataclass(frozen=True)
class Frame:
    """The trade-off and the shapes of both latents."""

    lmbda: float
    z: tuple[int, ...]
    y: tuple[int, ...]

    @classmethod
    def of(cls, model: LatentModel, size: tuple[int, ...], lmbda: float) -> "Frame":
        """Those of a model of two levels for an image of ``size`` (h, w).

        Args:
          model: of images.
          size: in pixels, more entries not being read.
          lmbda: the trade-off.
        """
        z, y = latent_shapes(model, (*padded_shape(size[0], size[1], model.stride), 3))
        return cls(lmbda, tuple(z), tuple(y))


@dataclass(frozen=True)
class Placed:
    """Q on its grids: of each ẑ the box of the mean, and the table of the scale."""

    place: np.ndarray
    scale: np.ndarray

    @cached_property
    def groups(self) -> np.ndarray:
        """The table of each, [n]."""
        return self.scale.astype(np.int64)

    @property
    def tables(self) -> list[FrequencyTable]:
        """By scales in boxes."""
        return gaussian_tables()

    def values(self, offsets: np.ndarray) -> np.ndarray:
        """Integers off the mean's box → the box of each ẑ, int64 [n]."""
        return self.place + offsets

    def offsets(self, boxes: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`values`."""
        return boxes - self.place


class TwoLevels:
    """Both latents of one image, written to a stack or read from it.

    What the sides must agree on goes through ``stream``, in the decoder's order: first
    what ẑ is read by, then ŷ, then Q.
    """

    def __init__(self, of: CompiledModel, boxes: ScaledBins, frame: Frame, stream: Writer | Reader):
        self._of, self._boxes, self._frame, self._stream = of, boxes, frame, stream
        self._rate = jnp.float32(frame.lmbda)
        self._start = of.start(self._rate)
        self._prior = of.prior(0, self._start)
        self._channel = np.broadcast_to(np.arange(frame.z[-1]), frame.z).ravel()
        self._centre = np.broadcast_to(np.asarray(self._prior.centre), frame.z)

    def rounded(self, known: VariationalParameters) -> np.ndarray:
        """ŷ, float32: the nearest integers."""
        state = self._of.absorb(0, self._start, jnp.zeros(self._frame.z))
        return integers(np.asarray(self._of.posterior(1, state, known[1]).mu)).astype(np.float32)

    def state(self, boxes: np.ndarray, y: np.ndarray | None = None) -> Any:
        """The decoder's after ẑ, and after ŷ where it is given."""
        z = (boxes.reshape(self._frame.z) * WIDTH).astype(np.float32) + self._centre
        state = self._of.absorb(0, self._start, jnp.asarray(z, jnp.float32))
        return state if y is None else self._of.absorb(1, state, jnp.asarray(y))

    def placed(self, q: Gaussian, stream: Writer | Reader | None = None) -> Placed:
        """Q on its grids; agreed on where there is a stream, else this machine's own."""
        mean = (np.asarray(q.mu, np.float64) - self._centre).ravel() / WIDTH
        log_scale = np.asarray(q.log_sigma, np.float64).ravel() - np.log(WIDTH)
        if stream is None:
            place, scale = _PLACES.nearest(mean)[0], SCALES.nearest(log_scale)[0]
        else:
            place = agreed(stream, mean, _PLACES, _WIDE_BAND)
            scale = agreed(stream, log_scale, SCALES, _WIDE_BAND)
        return Placed(np.rint(_PLACES.value(place)).astype(np.int64), scale)

    def posterior(self, q: Gaussian) -> Placed:
        """Q on its grids, agreed on."""
        return self.placed(q, self._stream)

    def push_y_and_z(self, stack: BitStack, boxes: np.ndarray, y: np.ndarray) -> None:
        """Push ŷ, then ẑ; write in the decoder's order what it reads them by."""
        assert isinstance(self._stream, Writer)
        z_tables = self._tables_of_z()
        write_excess(self._stream, boxes, self._channel, z_tables)
        nearest, signs, groups, tables = self._tables_of_y(boxes)
        offsets = ((y.ravel().astype(np.int64) - nearest) * signs).astype(np.int64)
        write_excess(self._stream, offsets, groups, tables)
        stack.push(offsets, groups, tables)
        stack.push(boxes, self._channel, z_tables)

    def pop_z(self, stack: BitStack) -> np.ndarray:
        """The box of each ẑ, int64 [n]."""
        assert isinstance(self._stream, Reader)
        tables = self._tables_of_z()
        popped = stack.pop(self._channel, tables)
        return read_excess(self._stream, popped, self._channel, tables).astype(np.int64)

    def pop_y(self, stack: BitStack, boxes: np.ndarray) -> np.ndarray:
        """ŷ, float32."""
        assert isinstance(self._stream, Reader)
        nearest, signs, groups, tables = self._tables_of_y(boxes)
        popped = stack.pop(groups, tables)
        offsets = read_excess(self._stream, popped, groups, tables)
        return (offsets * signs + nearest).astype(np.float32).reshape(self._frame.y)

    def _tables_of_z(self) -> list[FrequencyTable]:
        masses = agreed_masses(self._prior, self._stream, WIDTH)
        return [table_from_mass(mass, reach) for mass, reach in masses]

    def _tables_of_y(
        self, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[FrequencyTable]]:
        """(the integer next to each mean, signs, the table of each [n], the tables)."""
        prior = self._of.prior(1, self.state(boxes))
        mu, log_sigma = (np.broadcast_to(x, self._frame.y).ravel() for x in prior)
        mean = _MEANS.value(agreed(self._stream, mu, _MEANS))
        scale = agreed(self._stream, log_sigma, SCALES)
        nearest = np.rint(mean)
        u = nearest - mean
        groups, tables = bin_tables(self._boxes, scale, u)
        return nearest.astype(np.int64), self._boxes.signs(u), groups, tables
