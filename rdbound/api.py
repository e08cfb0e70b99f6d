"""Bounds, coded sizes, BD-rates and plots from Python: images in, a table out.

    table = rdbound.bound(image, lmbdas=[0.0067])  # uint8 [h, w, 3]
    print(table)

Images are a path of a file or a folder, the name of a set (``kodak``, ``bundled``,
``tfds:NAME``), an array uint8 [h, w, 3], a list of paths or arrays, or an
:class:`rdbound.images.sets.ImageSet`.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rdbound.analysis.bd_rate import BDRate, compare
from rdbound.analysis.curves import ImageCurves, called, from_rows, named_curves
from rdbound.checkpoints.checkpoint import Checkpoint, load
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import ImageExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.images.files import read_image
from rdbound.images.sets import ImageSet, is_set, named_images
from rdbound.methods import METHODS, Method
from rdbound.optimization.refinement import RefinementOptions
from rdbound.reference import DEFAULT_ANCHOR
from rdbound.report.figures.rd import rd_figure
from rdbound.tables.rd import RDTable, Row
from rdbound.zoo import BOUND, CODEC

__all__ = ["bd_rate", "bound", "code", "image_set", "plot"]

Images = str | Path | np.ndarray | ImageSet | Sequence[str | Path | np.ndarray]


def bound(
    images: Images,
    checkpoint: str | Path | Checkpoint = BOUND,
    lmbdas: Sequence[float] | None = None,
    steps: int = 0,
    samples: int = 8,
    seed: int = 0,
) -> RDTable:
    """Return the upper bounds on R(D) that a model gives on images, by a Gaussian channel.

    Rows whose J is not finite are left out with a warning (:data:`rdbound.utils.progress.LOG`).

    Args:
      images: see :mod:`rdbound.api`.
      checkpoint: the checkpoint of a bound, a name of the zoo or a file.
      lmbdas: the trade-offs; by default all that the checkpoint serves
        (:func:`rdbound.evaluation.plan.lmbdas_of`).
      steps: steps of refinement; 0 for the amortized bound alone.
      samples: samples of the channel's noise to average over.
      seed: seed of all noise.

    Returns:
      Rows of the methods ``bound`` and, with steps, ``bound-refined``.

    Raises:
      ValueError: Images, checkpoint or λ cannot be used.
    """
    of = _loaded(checkpoint, "bound")
    methods = ("bound", "bound-refined") if steps else ("bound",)
    return _rows(of, images, lmbdas, steps, samples, seed, methods, None)


def code(
    images: Images,
    checkpoint: str | Path | Checkpoint = CODEC,
    lmbdas: Sequence[float] | None = None,
    steps: int = 0,
    coder: str = "rounding",
    samples: int = 8,
    seed: int = 0,
    streams: str | Path | None = None,
) -> RDTable:
    """Encode images to bytes and decode them; return these rows beside ideal code lengths.

    Rows whose J is not finite are left out with a warning (:data:`rdbound.utils.progress.LOG`).

    Args:
      images: see :mod:`rdbound.api`.
      checkpoint: the checkpoint of a codec, or of a bound if the coder serves bounds.
      lmbdas: see :func:`bound`.
      steps: steps of stochastic Gumbel annealing before coding; coders other than ``rounding``
        and ``bits-back`` take none.
      coder: name of a coder (:data:`rdbound.coding.CODERS`).
      samples: samples to average ideal code lengths over if the coder's channel is random.
      seed: seed of all noise.
      streams: a folder to keep the bytes in.

    Returns:
      Rows of the coder's ``coded`` methods and of the ``ideal`` ones with the same channels, of
      the amortized codec and, with steps, the refined one.

    Raises:
      ValueError: Images, checkpoint, λ or coder cannot be used.
    """
    methods = _methods_of(coder)
    if steps and not any(m.surrogate for m in methods):
        raise ValueError(f"coder {coder!r} codes what the networks infer: it takes no steps")
    of = _loaded(checkpoint, str(methods[0].form))
    wanted = tuple(m.name for m in methods if steps or m.surrogate is None)
    folder = None if streams is None else Path(streams)
    return _rows(of, images, lmbdas, steps, samples, seed, wanted, folder)


def bd_rate(
    curve: str | Path | Sequence[Row],
    anchor: str | Path | Sequence[Row] = DEFAULT_ANCHOR,
    of: str | None = None,
    metric: str = "psnr",
    interpolation: str = "pchip",
    dataset: str = "kodak",
) -> BDRate:
    """Return the BD-rate of a curve against another, per image if both have images.

    Args:
      curve: a table, a CSV of points, ``TABLE.csv:METHOD``, or the name of a published curve.
      anchor: the curve that it is compared with, given in the same ways.
      of: the method, or model and method, of a table that holds several curves.
      metric: ``psnr`` or ``ms-ssim``.
      interpolation: ``pchip``, ``akima`` or ``cubic``.
      dataset: name of the data set of files and published curves.

    Raises:
      ValueError: One of them is not a single curve, or see
        :func:`rdbound.analysis.bd_rate.compare`.
    """
    one = partial(_curve, dataset=dataset, metric=metric)
    return compare(one(anchor), one(curve, of=of), interpolation)


def plot(table: Sequence[Row]) -> Axes:
    """Draw the RD curves of a table and published ones of the same images; return the axes."""
    return rd_figure(table).axes[0]


def image_set(images: Images) -> ImageSet:
    """Return images given in any of the ways of :mod:`rdbound.api`; else raise ValueError."""
    if isinstance(images, ImageSet):
        return images
    if isinstance(images, str | Path):
        path = Path(images).expanduser()
        whole = path.is_dir() or is_set(str(images))
        return named_images(str(images)) if whole else _listed([path])
    if isinstance(images, np.ndarray) and images.ndim != 4:
        return _listed([images])
    return _listed(images)


def _listed(images: Iterable[Any]) -> ImageSet:
    """Return paths and arrays as a set, read and checked now."""
    found, names = [], []
    for number, image in enumerate(images):
        if isinstance(image, str | Path):
            found.append(read_image(image))
            names.append(Path(image).name)
            continue
        array = np.asarray(image)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
            raise ValueError(
                f"image {number}: expected a path or uint8 [h, w, 3], not {array.dtype} "
                f"{list(array.shape)}"
            )
        found.append(array)
        names.append(f"image-{number}")
    if not found:
        raise ValueError("no images")
    if len(set(names)) < len(names):
        raise ValueError(f"two images have the same name: {', '.join(names)}")
    return ImageSet("images", tuple(names), found.__getitem__)


def _methods_of(coder: str) -> list[Method]:
    """Return the coded methods of a coder, and the ideal ones of the same channels."""
    coded = [m for m in METHODS.values() if m.coder == coder and m.kind == "coded"]
    if not coded:
        known = sorted({m.coder for m in METHODS.values() if m.coder})
        raise ValueError(f"unknown coder {coder!r}: choose one of {', '.join(known)}")
    channels = {(m.form, m.channel, m.surrogate) for m in coded}
    return [
        m
        for m in METHODS.values()
        if m in coded or (m.kind == "ideal" and (m.form, m.channel, m.surrogate) in channels)
    ]


def _loaded(checkpoint: str | Path | Checkpoint, form: str) -> Checkpoint:
    of = checkpoint if isinstance(checkpoint, Checkpoint) else load(str(checkpoint))
    if of.model.form != form:
        raise ValueError(f"{of.name}: is of form {of.model.form!r}, and a {form} is asked for")
    return of


def _rows(
    of: Checkpoint,
    images: Images,
    lmbdas: Sequence[float] | None,
    steps: int,
    samples: int,
    seed: int,
    methods: tuple[str, ...],
    streams: Path | None,
) -> RDTable:
    chosen = None if lmbdas is None else tuple(map(float, lmbdas))
    refine = RefinementOptions(steps) if steps else None
    options = EvaluationOptions(chosen, samples, refine, methods=methods, seed=seed)
    return RDTable(evaluate(of, ImageExamples(image_set(images)), options, streams))


def _curve(
    of_what: str | Path | Sequence[Row], dataset: str, metric: str, of: str | None = None
) -> ImageCurves:
    """Return the only curve of a table or file, or the one called ``of``."""
    if isinstance(of_what, str | Path):
        found = named_curves(str(of_what), dataset, metric=metric)
    else:
        found = list(from_rows(of_what, metric).values())
    chosen = found if of is None else called(found, of)
    if len(chosen) != 1:
        known = ", ".join(sorted(curve.name for curve in found))
        raise ValueError(f"one curve is needed: say which by the argument of: {known}")
    return chosen[0]
