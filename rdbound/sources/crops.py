"""Training crops: an endless, seeded, restartable stream through Grain."""

import threading
from collections.abc import Sequence

import grain
import numpy as np

from rdbound.sources.image_sets import ImageSet

__all__ = ["crops"]


class _Cached(Sequence):
    """Decoded images kept in memory up to ``limit`` bytes; the rest is decoded again."""

    def __init__(self, images: ImageSet, limit: float):
        self._images = images
        self._room = limit
        self._kept: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index):
        if index in self._kept:
            return self._kept[index]
        image = self._images[index]
        with self._lock:
            if image.nbytes <= self._room and index not in self._kept:
                self._room -= image.nbytes
                self._kept[index] = image
        return image


def crops(images: ImageSet, crop: int, batch: int, seed: int, cache_gib: float = 2.0):
    """An iterator of uint8 [batch, crop, crop, 3]: shuffled, cropped, flipped.

    The order depends on ``seed`` alone. The iterator has ``get_state()`` and
    ``set_state()``; its state is JSON. An image smaller than the crop is
    padded by edge replication.
    """

    def cut(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        short = [max(0, crop - n) for n in image.shape[:2]]
        if any(short):
            image = np.pad(image, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge")
        top, left = (rng.integers(n - crop + 1) for n in image.shape[:2])
        piece = image[top : top + crop, left : left + crop]
        return np.ascontiguousarray(piece[:, ::-1] if rng.integers(2) else piece)

    data = grain.MapDataset.source(_Cached(images, cache_gib * 2**30)).seed(seed)
    # As good as endless: an unbounded repetition overflows lengths at batch 1.
    data = data.shuffle().repeat(10**9).random_map(cut).batch(batch)
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
    return iter(data.to_iter_dataset(options))
