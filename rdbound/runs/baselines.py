"""Run external codecs on images, and write an RD table and a report.

FOLDER/points.csv   every image at every setting, written as they are measured
FOLDER/rd.csv       the table
FOLDER/report.md    the report, with its figure
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from rdbound.analysis.curves import anchor_on
from rdbound.baselines import BaselineCodec, CodecPoint, CommandCodec, make_baseline, measure_codec
from rdbound.baselines.measure import pixel_digest
from rdbound.baselines.points import read_codec_points, write_codec_points
from rdbound.baselines.rd_rows import codec_rows
from rdbound.images.sets import ImageSet
from rdbound.report.markdown import document_lines
from rdbound.report.sections.external import external_report
from rdbound.report.write import write_document
from rdbound.runs.parallel.processes import ended
from rdbound.runs.run_folder import RD_TABLE, locked
from rdbound.tables.rd import write_table
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["chosen_codecs", "default_jobs", "external_run"]

POINTS = "points.csv"
_DEFAULT = ("jpeg", "webp", "avif", "jpeg2000")

Job = tuple[BaselineCodec, str, str, np.ndarray, tuple[float, ...]]
"""(codec, its version, name of an image, image, settings)."""


def external_run(
    codecs: Sequence[BaselineCodec],
    images: ImageSet,
    folder: Path,
    jobs: int,
    anchor: str,
    progress: Progress = SILENT,
) -> None:
    """Measure codecs on images, and log the report.

    Points in the folder's ``points.csv`` of the same pixels by the same version are not measured
    again. Points of other codecs there join the table; of the given codecs the table has the
    settings of this run.

    Args:
      codecs: codecs with different names.
      images: the images to code.
      folder: folder of the table, created if missing.
      jobs: number of processes.
      anchor: anchor of BD-rates, used if it is known on the images.
      progress: receives the number of points.

    Raises:
      ValueError: a codec cannot run, or see :func:`rdbound.baselines.measure.measure_codec`.
    """
    versions = {codec.name: codec.version() for codec in codecs}
    if len(versions) < len(codecs):
        raise ValueError(f"two codecs have the same name: {', '.join(c.name for c in codecs)}")
    anchor_on(anchor, images.name)  # raises for an unknown one, before hours are spent
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        path = folder / POINTS
        digests = {name: pixel_digest(images[i]) for i, name in enumerate(images.names)}
        points = [
            p
            for p in (read_codec_points(path) if path.exists() else [])
            if digests.get(p.image) == p.digest and versions.get(p.codec, p.version) == p.version
        ]
        known = {(p.codec, p.image, p.setting) for p in points}
        total = sum(len(codec.settings) for codec in codecs) * len(images)
        work = _missing(codecs, versions, images, known)
        for found in _by_processes(work, jobs):
            points += found
            write_codec_points(path, points)
            mine = sum(p.codec in versions for p in points)
            progress.update("coding", min(mine, total), total)
    asked = {codec.name: codec.settings for codec in codecs}
    shown = [p for p in points if p.setting in asked.get(p.codec, (p.setting,))]
    whole = _whole(shown, images)
    rows = codec_rows(whole, images.name)
    write_table(folder / RD_TABLE, rows)
    document = external_report(rows, {codec.name: codec.description for codec in codecs}, anchor)
    write_document(document, folder)
    LOG.info("\n".join([*document_lines(document), "", f"{folder / RD_TABLE}: {len(rows)} rows"]))


def _missing(
    codecs: Sequence[BaselineCodec],
    versions: Mapping[str, str],
    images: ImageSet,
    known: set[tuple[str, str, float]],
) -> Iterator[Job]:
    """Yield a job for each image and codec, with the settings not measured yet."""
    for index, name in enumerate(images.names):
        for codec in codecs:
            settings = tuple(s for s in codec.settings if (codec.name, name, s) not in known)
            if settings:
                yield codec, versions[codec.name], name, images[index], settings


def _by_processes(work: Iterator[Job], count: int) -> Iterator[list[CodecPoint]]:
    """The points of every job as they are done, a few images in memory at once."""
    if count == 1:
        yield from map(_measure, work)
        return
    pool = ProcessPoolExecutor(count, get_context("spawn"))
    with ended(pool):
        waiting: set[Future] = {pool.submit(_measure, job) for job in islice(work, 2 * count)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(_measure, job) for job in islice(work, len(done))}
            for future in done:
                yield future.result()


def _measure(job: Job) -> list[CodecPoint]:
    codec, version, name, image, settings = job
    return [measure_codec(codec, name, image, setting, version) for setting in settings]


def _whole(points: Sequence[CodecPoint], images: ImageSet) -> list[CodecPoint]:
    """Those at settings that have every image."""
    count: dict[tuple[str, float], int] = {}
    for p in points:
        count[p.codec, p.setting] = count.get((p.codec, p.setting), 0) + 1
    return [p for p in points if count[p.codec, p.setting] == len(images)]


def chosen_codecs(
    names: Sequence[str] | None,
    settings: Sequence[float] | None = None,
    own: str = "mine",
    encoder: str | None = None,
    decoder: str | None = None,
) -> list[BaselineCodec]:
    """Codecs by what a user says of them.

    Args:
      names: of :data:`rdbound.baselines.BASELINES`; None for some that every Pillow has, or for
        none beside an ``encoder``.
      settings: of one codec.
      own: what the codec of ``encoder`` and ``decoder`` is called.
      encoder: its command line; None for none.
      decoder: its command line.

    Raises:
      ValueError: a name is unknown, or commands and settings do not go together.
    """
    if (encoder is None) != (decoder is None):
        raise ValueError("--encoder and --decoder go together: files are decoded too")
    if names is None:
        names = _DEFAULT if encoder is None else ()
    codecs = [make_baseline(name) for name in names]
    if encoder is not None and decoder is not None:
        if settings is None or codecs:
            raise ValueError("--encoder needs its --settings, and a run without --codec")
        return [CommandCodec(own, encoder, decoder, tuple(settings))]
    if settings is None:
        return codecs
    if len(codecs) != 1:
        raise ValueError("--settings are of one codec: give one --codec")
    return [codecs[0].at(tuple(settings))]


def default_jobs() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
