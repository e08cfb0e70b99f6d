"""Examples of an evaluation: images or blocks of vectors, with everything that depends on which.

An example is the subject of one row of the RD table: an image, or a block of
vectors that is evaluated by its mean and coded as one stream. It has members, one of
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.images.sets import ImageSet
from rdbound.objective.datum import Datum, image_datum, padded_shape, stack, whole
from rdbound.objective.distortion import Distortion
from rdbound.objective.objective import DECODERS, real
from rdbound.ops.image_quality import MS_SSIM_SMALLEST, ms_ssim
from rdbound.sources import Source
from rdbound.tables.rd import BLOCK

__all__ = ["Batch", "Examples", "ImageExamples", "VectorExamples", "mean_ms_ssim"]


@dataclass(frozen=True)
class Batch:
    """Examples of one shape.

    Attributes:
      indexes: places of the examples in their set.
      names: names of the examples.
      originals: the arrays that a codec encodes, uint8 [h, w, 3] or float32 [members, n] each.
      data: the data with the leading axes [examples, members]; images are padded.
    """

    indexes: tuple[int, ...]
    names: tuple[str, ...]
    originals: tuple[np.ndarray, ...]
    data: Datum

    @property
    def members(self) -> int:
        """Number of data per example."""
        return self.data.x.shape[1]

    def pixels(self, place: int) -> int:
        """Return the number of pixels (or dimensions) of the example at ``place``."""
        return int(np.asarray(self.data.mask[place]).sum())


class Examples(ABC):
    """A named sequence of examples, read when they are needed.

    Attributes:
      name: name of the data set in tables.
      names: name of each example.
      peak: the largest value of the data, for PSNR.
      vectors: whether they are vectors; methods of images alone do not apply to these.
      warns_from: the least status of a refinement (:data:`rdbound.optimization.refinement.STATUS`)
        that is worth a warning.
    """

    name: str
    names: Sequence[str]
    peak: ClassVar[float]
    vectors: ClassVar[bool]
    warns_from: ClassVar[int]

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def groups(self, stride: int, limit: int) -> list[tuple[int, ...]]:
        """Return the indexes in batches of at most ``limit`` examples of one padded shape.

        Every index is in exactly one. ``stride`` is the model's: shapes that differ less
        than their padding share a program.
        """

    @abstractmethod
    def batch(self, indexes: Sequence[int], stride: int) -> Batch:
        """Return the examples of one group."""

    def check(self, distortion: Distortion, model: str) -> None:  # noqa: B027 (most are fine)
        """Raise ValueError if the distortion of ``model`` is undefined on an example."""

    def decoder(self, name: str) -> Callable[[jax.Array], jax.Array]:
        """Return the decoder's last step that a method calls ``name``."""
        return real

    def quality(self, original: np.ndarray, reconstructions: Any) -> float | None:
        """Return the mean MS-SSIM of reconstructions in [0, 1], [samples, …]; None if undefined."""
        return None

    @abstractmethod
    def as_coded(self, tree: Any, place: int) -> Any:
        """Return the leaves [examples, members, …] of one example as its codec takes them."""

    def as_data(self, decoded: np.ndarray) -> np.ndarray:
        """Return the output of a codec on the scale of the data."""
        return decoded

    @abstractmethod
    def distortion(
        self, distortion: Distortion, batch: Batch, place: int, decoded: np.ndarray
    ) -> float:
        """Return the distortion of a codec's output for the example at ``place``."""


class ImageExamples(Examples):
    """Images, each an example of one member, padded to the model's stride."""

    peak, vectors, warns_from = 255.0, False, 1

    def __init__(self, images: ImageSet):
        self.images = images
        self.name, self.names = images.name, images.names

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every image."""
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

    def check(self, distortion: Distortion, model: str) -> None:
        """See :class:`Examples`."""
        least = getattr(distortion, "smallest_side", 1)
        if least == 1:
            return
        for name, (height, width) in zip(self.names, self.sizes, strict=True):
            if min(height, width) < least:
                raise ValueError(
                    f"{name} is {width}×{height}; the distortion of {model} needs {least} "
                    "pixels a side"
                )

    def decoder(self, name: str) -> Callable[[jax.Array], jax.Array]:
        """See :class:`Examples`."""
        return DECODERS[name]

    def quality(self, original: np.ndarray, reconstructions: Any) -> float | None:
        """See :class:`Examples`."""
        return mean_ms_ssim(original, reconstructions)

    def as_coded(self, tree: Any, place: int) -> Any:
        """See :class:`Examples`."""
        return jax.tree.map(lambda leaf: leaf[place, 0], tree)

    def as_data(self, decoded: np.ndarray) -> np.ndarray:
        """See :class:`Examples`."""
        return decoded.astype(np.float32) / 255.0

    def distortion(
        self, distortion: Distortion, batch: Batch, place: int, decoded: np.ndarray
    ) -> float:
        """See :class:`Examples`."""
        datum = self.as_coded(batch.data, place)
        x_hat = self.as_data(decoded)
        extra = [(0, a - b) for a, b in zip(datum.x.shape, x_hat.shape, strict=True)]
        return float(distortion(datum, jnp.pad(jnp.asarray(x_hat), extra, mode="edge")))


class VectorExamples(Examples):
    """Blocks of fresh vectors of a source.

    Args:
      name: name of the data set in tables.
      source: source of the vectors.
      vectors: number of vectors.
      blocks: number of examples, of equal size.
      seed: seed of the draw; independent of that of training at the same seed.

    Raises:
      ValueError: There are fewer vectors than blocks.
    """

    # Every vector of a block has a status: single ones that did not improve are no news.
    peak, vectors, warns_from = 1.0, True, 2

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

    def as_coded(self, tree: Any, place: int) -> Any:
        """See :class:`Examples`; a block is one stream."""
        return jax.tree.map(lambda leaf: leaf[place], tree)

    def distortion(
        self, distortion: Distortion, batch: Batch, place: int, decoded: np.ndarray
    ) -> float:
        """See :class:`Examples`; the mean over the block."""
        data = self.as_coded(batch.data, place)
        return float(jax.vmap(distortion)(data, jnp.asarray(decoded)).mean())


def mean_ms_ssim(image: np.ndarray, reconstructions: Any) -> float | None:
    """Return the mean MS-SSIM of reconstructions of an image.

    Args:
      image: uint8 [h, w, 3].
      reconstructions: in [0, 1], [samples, H, W, 3] with H ≥ h and W ≥ w.

    Returns:
      The mean, or None for images too small for MS-SSIM.
    """
    h, w = image.shape[:2]
    if min(h, w) < MS_SSIM_SMALLEST:
        return None
    x = image.astype(np.float32) / 255.0
    return float(np.mean([ms_ssim(x, np.asarray(y)[:h, :w]) for y in reconstructions]))
