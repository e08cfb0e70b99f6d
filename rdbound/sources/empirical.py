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
    """Each row of ``data`` [N, n] with probability 1/N; squared error.

    An estimate made on it is one of the empirical distribution. To speak of
    what the rows were drawn from, hold some out: see :meth:`split`. Raises ValueError
    unless ``data`` are finite real numbers in an array [rows, dimensions].
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
    @validate_call
    def from_npy(cls, path: str | Path) -> "Empirical":
        """Rows of an ``.npy`` file; raises ValueError naming the file."""
        try:
            return cls(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def from_patches(
        cls, images: Iterable[np.ndarray], size: int, per_image: int, seed: int = 0
    ) -> "Empirical":
        """Random grey patches of images, scaled to [0, 1].

        Args:
          images: uint8, [H, W] or [H, W, C].
          size: side of the square patches, in pixels.
          per_image: patches of each image.
          seed: of their places.

        Raises ValueError where ``size`` or ``per_image`` is not positive, there is no
        image, or one is too small for a patch.
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
        """SHA-256 of the rows, hexadecimal."""
        return hashlib.sha256(np.ascontiguousarray(self.data).tobytes()).hexdigest()

    def split(self, fraction: float, seed: int = 0) -> tuple["Empirical", "Empirical"]:
        """(fit, held out): a random ``fraction`` of the rows, and the others.

        Raises ValueError where one of the two would be empty.
        """
        order = np.random.default_rng(seed).permutation(len(self.data))
        cut = round(fraction * len(order))
        if not 0 < cut < len(order):
            raise ValueError(f"a fraction of {fraction} of {len(order)} rows leaves a part empty")
        return Empirical(self.data[order[:cut]]), Empirical(self.data[order[cut:]])

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Rows drawn with replacement, [count, n]."""
        rows = jax.random.randint(key, (count,), 0, len(self.data))
        return jnp.asarray(self.data)[rows]

    def exact(self, lmbda: float) -> Point | None:
        """None: no closed form is known. Raises ValueError unless λ > 0."""
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
    """Grey patches of a set of images, as :meth:`Empirical.from_patches` cuts them.

    Args:
      size: side of the square patches, in pixels.
      per_image: patches of each image.
      images: the set, as :func:`rdbound.images.sets.open_images` calls it.
      path: of its folder, for the sets that need one.
      split: of a data set that has several.
      seed: of the places of the patches.

    Raises ValueError as those two functions do.
    """
    found = open_images(images, path, split)
    loaded = (found.load(index) for index in range(len(found)))
    return Empirical.from_patches(loaded, size, per_image, seed)
