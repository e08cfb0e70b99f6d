"""What is evaluated, photographs and vectors alike: named examples with their data.

An example is what one row of the RD table is about: an image, or a block of
vectors that is judged by its mean and coded as one stream. It has members, one of
an image, many of a block, each a datum of the model.

    examples = ImageExamples(open_images("kodak"))
    examples = VectorExamples("gaussian", source, vectors=96_000, blocks=12, seed=0)
    for indexes in examples.groups(stride=64, limit=4):
        batch = examples.batch(indexes, stride=64)
        batch.data.x.shape  # [examples, members, H, W, 3] or [examples, members, n]

A mean over the members of a block has a standard error; intervals over blocks are
formed like those over images.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.images.sets import ImageSet
from rdbound.objective.datum import Datum, image_datum, padded_shape, stack, whole
from rdbound.sources import Source
from rdbound.tables.rd import BLOCK

__all__ = ["Batch", "Examples", "ImageExamples", "VectorExamples"]


@dataclass(frozen=True)
class Batch:
    """Examples of one shape.

    Attributes:
      indexes: of the examples in their set.
      names: the same by name.
      originals: what a codec is given, uint8 [h, w, 3] or float32 [members, n] each.
      data: with the leading axes [examples, members], padded where images are.
    """

    indexes: tuple[int, ...]
    names: tuple[str, ...]
    originals: tuple[np.ndarray, ...]
    data: Datum

    @property
    def members(self) -> int:
        """Data an example."""
        return self.data.x.shape[1]

    def pixels(self, place: int) -> int:
        """Of the whole example at ``place``: the number its rate is divided by."""
        return int(np.asarray(self.data.mask[place]).sum())


class Examples(ABC):
    """A named sequence of examples, read when asked for.

    Attributes:
      name: what tables call the data set.
      names: one name an example.
    """

    name: str
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def groups(self, stride: int, limit: int) -> list[tuple[int, ...]]:
        """Indexes in batches of at most ``limit`` examples of one padded shape.

        Every index is in exactly one. ``stride`` is the model's: shapes that differ less
        than their padding share a program.
        """

    @abstractmethod
    def batch(self, indexes: Sequence[int], stride: int) -> Batch:
        """The examples of one group."""


class ImageExamples(Examples):
    """Each image an example of one member, padded to the model's stride."""

    def __init__(self, images: ImageSet):
        self.images = images
        self.name, self.names = images.name, images.names

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every image, each decoded for it once."""
        return [self.images[index].shape[:2] for index in range(len(self))]

    def groups(self, stride: int, limit: int) -> list[tuple[int, ...]]:
        """See :class:`Examples`."""
        shapes: dict[tuple[int, int], list[int]] = {}
        for index, (height, width) in enumerate(self.sizes):
            shapes.setdefault(padded_shape(height, width, stride), []).append(index)
        return [
            tuple(group[start : start + limit])
            for group in shapes.values()
            for start in range(0, len(group), limit)
        ]

    def batch(self, indexes: Sequence[int], stride: int) -> Batch:
        """See :class:`Examples`."""
        images = tuple(self.images[i] for i in indexes)
        data = stack([image_datum(image, stride) for image in images])
        members = jax.tree.map(lambda leaf: leaf[:, None], data)
        return Batch(tuple(indexes), tuple(self.names[i] for i in indexes), images, members)


class VectorExamples(Examples):
    """Blocks of fresh vectors of a source.

    Args:
      name: what tables call the data set.
      source: of the vectors.
      vectors, blocks: how many, in how many examples of equal size.
      seed: of the draw; independent of that of training at the same seed.

    Raises ValueError where there are fewer vectors than blocks.
    """

    def __init__(self, name: str, source: Source, vectors: int, blocks: int, seed: int):
        if vectors < blocks:
            raise ValueError(f"{vectors} vectors cannot fill {blocks} blocks")
        self.name, self.source = name, source
        self.names = [f"{BLOCK}{k + 1:02d}" for k in range(blocks)]
        # Neither the key of the batches of training nor one folded from it.
        key = jax.random.key(seed + 2**31)
        self._blocks = source.sample(key, vectors // blocks * blocks).reshape(
            blocks, vectors // blocks, source.dimension
        )

    def groups(self, stride: int, limit: int) -> list[tuple[int, ...]]:
        """See :class:`Examples`."""
        count = len(self)
        return [tuple(range(s, min(s + limit, count))) for s in range(0, count, limit)]

    def batch(self, indexes: Sequence[int], stride: int) -> Batch:
        """See :class:`Examples`."""
        x = jnp.asarray(self._blocks)[jnp.asarray(indexes)]
        data = jax.vmap(jax.vmap(whole))(x)
        originals = tuple(np.asarray(block) for block in x)
        return Batch(tuple(indexes), tuple(self.names[i] for i in indexes), originals, data)
