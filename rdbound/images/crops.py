"""Training crops: an endless, seeded, restartable stream through Grain."""

import math

import grain
import numpy as np

from rdbound.images.sets import ImageSet

__all__ = ["AHEAD", "SHUFFLED", "centre_crops", "crops"]

SHUFFLED = 512
"""Images, at the least, that are shuffled together."""
THREADS = 4
AHEAD = 16
"""Batches that lie ready, made by :data:`THREADS` threads."""


def crops(images: ImageSet, crop: int, batch: int, seed: int) -> grain.DatasetIterator:
    """An iterator of uint8 [batch, crop, crop, 3]: shuffled, cropped, flipped.

    Args:
      images: whole; give a cached set, each is asked for again and again.
      crop: side of a crop.
      batch: crops a batch.
      seed: of the order, the places and the flips.

    The order depends on ``seed`` alone: whole sets, shuffled, as many together as make
    :data:`SHUFFLED` images. Worker threads make batches ahead. The iterator has ``get_state()`` and
    ``set_state()``; its state is JSON, and from there on the crops are those that
    an iterator never interrupted would have given. Each image is cut at a uniform place and
    mirrored left to right half of the time; one smaller than the crop is padded by
    edge replication.
    """

    def cut(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image = _at_least(image, crop)
        top, left = (rng.integers(n - crop + 1) for n in image.shape[:2])
        piece = image[top : top + crop, left : left + crop]
        return np.ascontiguousarray(piece[:, ::-1] if rng.integers(2) else piece)

    # Grain permutes a handful of indexes slowly: 29 ms each of three, 0.05 ms of 832.
    rounds = math.ceil(SHUFFLED / max(1, len(images)))
    data = grain.MapDataset.source(images).seed(seed).repeat(rounds)
    # As good as endless: an unbounded repetition overflows lengths at batch 1.
    data = data.shuffle().repeat(10**9 // rounds).random_map(cut).batch(batch)
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD)
    return iter(data.to_iter_dataset(options))


def centre_crops(images: ImageSet, crop: int) -> np.ndarray:
    """The middle of every image, uint8 [count, crop, crop, 3].

    For images held out of training: the same crops at every look.
    """

    def middle(image: np.ndarray) -> np.ndarray:
        image = _at_least(image, crop)
        top, left = ((n - crop) // 2 for n in image.shape[:2])
        return image[top : top + crop, left : left + crop]

    return np.stack([middle(images[i]) for i in range(len(images))])


def _at_least(image: np.ndarray, crop: int) -> np.ndarray:
    """Padded by edge replication where a side is shorter than ``crop``."""
    short = [max(0, crop - n) for n in image.shape[:2]]
    return np.pad(image, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge")
