"""A batch with its noise, and everything that the batches of an evaluation share.

Noise is keyed by (seed, λ, example, purpose): a row does not depend on the other examples of the
batch or the table, and refinement never sees the noise of the reported value.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.coding import Codec
from rdbound.coding.codecs.base import DatumKind
from rdbound.coding.codecs.codec import datum_kind
from rdbound.coding.codecs.tiling import is_large
from rdbound.evaluation.examples import Batch
from rdbound.evaluation.options import evaluation_channel
from rdbound.evaluation.plan import Group, Plan
from rdbound.methods import Method
from rdbound.models.base import LevelModel, is_framed
from rdbound.objective.datum import Datum, in_frame
from rdbound.optimization.refinement import refine
from rdbound.utils.compilation import divided
from rdbound.utils.progress import SILENT, Progress

__all__ = ["EVALUATION", "REFINEMENT", "Evaluator", "KeyedBatch", "PartProgress"]

REFINEMENT, EVALUATION = 0, 1
"""Purposes of keys."""


@dataclass
class PartProgress(Progress):
    """The progress of a part of a task, reported as progress of the whole task.

    Attributes:
      whole: where the whole is reported.
      task: name of the whole task.
      total, done, size: units of the whole, units finished before this part, units of this part.
      note: text beside the bar; that of the part if empty.
    """

    whole: Progress
    task: str
    total: float
    done: float = 0.0
    size: float = 0.0
    note: str = ""

    def update(self, task: str, done: float, total: float, note: str = "") -> None:
        """Report that ``done`` of ``total`` units of the part are finished."""
        share = done / total if total else 1.0
        self.whole.update(
            self.task, self.done + self.size * share, self.total, self.note or note or task
        )


@dataclass(frozen=True)
class KeyedBatch:
    """A batch at one λ, with its noise.

    Attributes:
      batch: the examples, in arrays of their own padded size.
      data: the data as programs take them: in the frame that images of many sizes share, unless
        they are large. There is one program for all sizes of a frame.
      framed: whether ``data`` may be larger than the images.
      large: whether these are images that are computed a window at a time.
      lmbda: the trade-off.
      seed: seed of all noise.
    """

    batch: Batch
    data: Datum
    framed: bool
    large: bool
    lmbda: float
    seed: int

    def keys(self, purpose: int) -> jax.Array:
        """Return keys [examples, members] of one purpose; two purposes share no noise."""
        key = jax.random.fold_in(jax.random.key(self.seed), np.float32(self.lmbda).view(np.uint32))
        members = self.batch.members

        def of_example(name: str) -> jax.Array:
            # By its name, not its place: one more file in a folder changes no other's row.
            named = jax.random.fold_in(key, np.uint32(zlib.crc32(name.encode())))
            own = jax.random.fold_in(named, purpose)
            return own[None] if members == 1 else jax.random.split(own, members)

        return jnp.stack([of_example(name) for name in self.batch.names])

    @property
    def lmbdas(self) -> jax.Array:
        """λ of each datum, [examples, members]."""
        return jnp.full(self.batch.data.x.shape[:2], self.lmbda, jnp.float32)


class Evaluator:
    """A plan with everything that its batches share: weights, codecs, compiled refinements.

    Args:
      plan: the evaluation.
      streams: a folder for the bytes of coded rows; None keeps none.
      progress: where refinement reports its steps.
    """

    def __init__(self, plan: Plan, streams: Path | None = None, progress: Progress = SILENT):
        self.plan, self.streams = plan, streams
        self.name, self.model = plan.checkpoint.name, plan.checkpoint.model
        self.distortion = plan.checkpoint.distortion
        self.graphdef, self.params = nnx.split(self.model)
        self.progress = PartProgress(progress, self.name, plan.units)
        self.room: dict[tuple[int, ...], int] = {}  # examples of a task that fit in memory
        self._codecs: dict[str, Codec] = {}
        self._solvers: dict[str, Callable] = {}

    def keyed(self, indexes: Sequence[int], lmbda: float) -> KeyedBatch:
        """Return a batch of examples at one λ, its data divided among all devices."""
        batch = self.plan.examples.batch(indexes, self.model.stride)
        images = batch.data.x.ndim == 5
        large = images and is_large(*batch.data.x.shape[2:4])
        framed = images and not large and is_framed(self.model)
        if not large:
            batch = replace(batch, data=divided(batch.data))
        data = in_frame(batch.data, self.model.stride) if framed else batch.data
        return KeyedBatch(batch, data, framed, large, float(lmbda), self.plan.options.seed)

    def codec(self, method: Method) -> Codec:
        """Return the codec of a coded method."""
        if method.name not in self._codecs:
            self._codecs[method.name] = Codec(
                self.model,
                self.plan.checkpoint.tables,
                method.coder,
                max_pixels=None,  # the data are the user's own
                **method.coder_options,
            )
        return self._codecs[method.name]

    def solver(self, group: Group) -> Callable:
        """Return the compiled refinement of a group of methods."""
        method, options = group.evaluated_by, self.plan.options.refine
        assert method is not None
        assert group.surrogate is not None
        assert options is not None
        if method.name not in self._solvers:
            self._solvers[method.name] = refine(
                self.model,
                group.surrogate,
                evaluation_channel(method, self.plan.checkpoint),
                self.plan.examples.decoder(method.decode),
                options,
                self.distortion,
                progress=SILENT if self.progress.whole is SILENT else self.progress,
            )
        return self._solvers[method.name]

    def by_windows(self, keyed: KeyedBatch) -> LevelModel:
        """Return the model for large images of one size."""
        return self._kind.level_model(*keyed.batch.data.x.shape[2:4])

    @cached_property
    def _kind(self) -> DatumKind:
        return datum_kind(self.model)
