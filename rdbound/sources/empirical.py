"""The empirical distribution of a sample: rows of an array, or patches of images."""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from pydantic import NonNegativeInt, PositiveInt, validate_call

from rdbound.images.sets import open_images
from rdbound.sources.base import Point, check_positive

__all__ = ["Empirical", "patches"]


class Empirical:
    """Rows of an array, each with the same probability; squared error.

    An estimate of its R(D) is one of the empirical distribution. For the distribution of which
    the rows are a sample, hold some out: see :meth:`split`.

    Args:
      data: rows, [N, n], finite real numbers.

    Raises:
      ValueError: if the data are anything else.
    """

    distortion = "squared"

    def __init__(self, data: ArrayLike):
        data = np.asarray(data)
        if not (np.issubdtype(data.dtype, np.number) and np.isrealobj(data)):
            raise ValueError(f"an empirical source needs real numbers, not {data.dtype}")
        self.data = data.astype(np.float32)
        if self.data.ndim != 2 or 0 in self.data.shape:
            raise ValueError(
                f"an empirical source needs an array [rows, dimensions] with both, "
                f"not one of shape {self.data.shape}"
            )
        if not np.isfinite(self.data).all():
            raise ValueError("an empirical source needs finite numbers; some are not")
        self.dimension = self.data.shape[1]

    @classmethod
    def from_npy(cls, path: str | Path) -> "Empirical":
        """Read the rows of an ``.npy`` file; raise ValueError, with its name, if it has none."""
        try:
            return cls(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def from_patches(
        cls, images: Iterable[np.ndarray], size: int, per_image: int, seed: int = 0
    ) -> "Empirical":
        """Cut random grey patches from images, scaled to [0, 1].

        Args:
          images: uint8 arrays, [H, W] or [H, W, C].
          size: side of the square patches, in pixels.
          per_image: number of patches from each image.
          seed: seed of the positions.

        Raises:
          ValueError: if ``size`` or ``per_image`` is not positive, there is no image, or an image
            is smaller than a patch.
        """
        check_positive(size, "size")
        check_positive(per_image, "per_image")
        draw = np.random.default_rng(seed)
        rows = []
        for image in images:
            grey = np.asarray(image, np.float32).reshape(*image.shape[:2], -1).mean(-1) / 255.0
            if min(grey.shape) < size:
                raise ValueError(f"an image of shape {image.shape} has no patch of side {size}")
            for _ in range(per_image):
                top, left = (draw.integers(0, side - size + 1) for side in grey.shape)
                rows.append(grey[top : top + size, left : left + size].ravel())
        if not rows:
            raise ValueError("no images to cut patches from")
        return cls(np.stack(rows))

    def fingerprint(self) -> str:
        """Return the SHA-256 of the rows, hexadecimal."""
        return hashlib.sha256(np.ascontiguousarray(self.data).tobytes()).hexdigest()

    def split(self, fraction: float, seed: int = 0) -> tuple["Empirical", "Empirical"]:
        """Split the rows at random into a part to fit and a part to hold out.

        Args:
          fraction: share of the rows in the first part.
          seed: seed of the permutation.

        Raises:
          ValueError: if one of the parts is empty.
        """
        order = np.random.default_rng(seed).permutation(len(self.data))
        cut = round(fraction * len(order))
        if not 0 < cut < len(order):
            raise ValueError(f"a fraction of {fraction} of {len(order)} rows leaves a part empty")
        return Empirical(self.data[order[:cut]]), Empirical(self.data[order[cut:]])

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw rows with replacement, [count, n]."""
        rows = jax.random.randint(key, (count,), 0, len(self.data))
        return jnp.asarray(self.data)[rows]

    def exact(self, lmbda: float) -> Point | None:
        """Return None, since no closed form is known; raise ValueError unless λ > 0."""
        check_positive(lmbda)
        return None


@validate_call
def patches(
    size: PositiveInt,
    per_image: PositiveInt,
    images: str = "bundled",
    path: str | None = None,
    split: str = "train",
    seed: NonNegativeInt = 0,
) -> Empirical:
    """Return grey patches of a set of images, cut by :meth:`Empirical.from_patches`.

    Args:
      size: side of the square patches, in pixels.
      per_image: number of patches from each image.
      images: name of the set, for :func:`rdbound.images.sets.open_images`.
      path: folder of the images, for sets that need one.
      split: split of a data set that has several.
      seed: seed of the positions.

    Raises:
      ValueError: as these two functions.
    """
    found = open_images(images, path, split)
    loaded = (found.load(index) for index in range(len(found)))
    return Empirical.from_patches(loaded, size, per_image, seed)
