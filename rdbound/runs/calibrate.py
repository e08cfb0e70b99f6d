"""Count code points on photographs, so that one bound is coded at any rate."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from rdbound.checkpoints.checkpoint import load, resolve
from rdbound.checkpoints.file_format import Contents, naming, read_contents, write_contents
from rdbound.evaluation.vbq_calibration import calibrated
from rdbound.images.sets import ImageSet, named_images
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["calibrate_file"]

_RATES = 4


def calibrate_file(
    checkpoint: str,
    images: str,
    target: Path,
    count: int,
    lmbdas: Sequence[float] | None = None,
    outside: Collection[str] = (),
    progress: Progress = SILENT,
) -> None:
    """Write a copy of a bound's checkpoint with the tables of the coder ``vbq``.

    The weights are copied as they are stored. Evaluate on other images than these.

    Args:
      checkpoint: file or name of a bound of images.
      images: see :func:`rdbound.images.sets.named_images`.
      target: the file to write.
      count: number of images, evenly through the folder.
      lmbdas: values of λ to count at; four through the model's range by default.
      outside: see :func:`rdbound.checkpoints.checkpoint.load`.
      progress: shown the number of images seen.

    Raises:
      ValueError: for the checkpoint of a codec or of vectors.
    """
    source = resolve(checkpoint)
    loaded = load(checkpoint, outside)
    model = loaded.model
    if model.form != "bound" or model.stride == 1:
        raise ValueError(f"{checkpoint}: code points serve a bound of images, of form 'bound'")
    chosen = _evenly(named_images(images), count)
    low, high = model.lmbda_range
    rates = tuple(np.geomspace(low, high, _RATES)) if lmbdas is None else tuple(lmbdas)
    tables = calibrated(model, chosen, dict.fromkeys(map(float, rates)), progress)
    with naming(source):
        kept = read_contents(source)
    write_contents(target, Contents(kept.spec, kept.weights, tables))
    LOG.info(f"{target}: code points counted on {len(chosen)} photographs of {images}")


def _evenly(images: ImageSet, count: int) -> list[np.ndarray]:
    """Return ``count`` images at even distances, or all if there are fewer."""
    number = min(count, len(images))
    return [images[(2 * k + 1) * len(images) // (2 * number)] for k in range(number)]
