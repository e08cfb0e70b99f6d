"""Published rate–distortion points, as data, each with its source."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = [
    "ANCHOR_DEPTH",
    "DATASET_CITATIONS",
    "DEFAULT_ANCHOR",
    "POINT_SOURCES",
    "Curve",
    "PublishedPoint",
    "PointSource",
    "citations_of",
    "curves",
    "find_curve",
    "kodak_digests",
]


class PointSource(NamedTuple):
    """Where published points come from.

    Attributes:
      text: the source in words.
      citations: BibTeX keys, of ``citations.bib``.
    """

    text: str
    citations: tuple[str, ...] = ()


POINT_SOURCES = {
    "vtm-22.0": PointSource(
        "VTM-22.0, encoder_intra_vtm.cfg, one frame, 4:4:4, BT.709 full range, whole files",
        ("bross2021vvc",),
    ),
    "yang2022sandwich": PointSource("Yang & Mandt 2022, arXiv 2111.12166", ("yang2022sandwich",)),
    "yang2020improving": PointSource(
        "Yang, Bamler & Mandt 2020, arXiv 2006.04240", ("yang2020improving",)
    ),
    "bross2021vvc": PointSource(
        "VTM-18.0 as run by the authors of arXiv 2302.08899 and 2208.13056", ("bross2021vvc",)
    ),
    "duan2023qarv": PointSource("Duan et al. 2023, arXiv 2302.08899", ("duan2023qarv",)),
    "duan2023qresvae": PointSource("Duan et al. 2023, arXiv 2208.13056"),
    "kim2024c3": PointSource("table of baselines beside C3, arXiv 2312.02753"),
    "li2025hpcm": PointSource("figures of the LIC-HPCM repository"),
    "jiang2023mlic": PointSource("figures of the MLIC++ repository"),
    "liu2023tcm": PointSource("figures of the LIC-TCM repository"),
    "ladune2025coolchic": PointSource("figures of the Cool-Chic 5.0 repository"),
    "begaint2020compressai": PointSource(
        "Bégaint et al. 2020, arXiv 2011.03029, and rows collected there"
    ),
}

DATASET_CITATIONS = {"kodak": ("kodak",)}
"""BibTeX keys of data sets."""

ANCHOR_DEPTH = {"vtm-22.0": 10, "vtm-22.0-8bit": 8}
"""Input bit depth of the anchors encoded for this package. It moves BD-rate by
about three points: 10-bit input is the stronger anchor."""


DEFAULT_ANCHOR = "vtm-22.0"
"""The anchor of BD-rates by default."""


@dataclass(frozen=True)
class PublishedPoint:
    """One published point: bits per pixel, PSNR in dB, MSE on 0–255 and MS-SSIM over RGB.

    ``image`` is None for a mean over ``count`` images.
    """

    image: str | None
    bpp: float
    psnr: float | None
    mse: float | None
    count: int = 1
    ms_ssim: float | None = None


@dataclass(frozen=True)
class Curve:
    """A published method on a data set.

    Attributes:
      dataset: name of the data set.
      method: name of the published method.
      kind: ``codec`` (files) or ``bound`` (an upper bound on R(D)).
      source: a key of :data:`POINT_SOURCES`.
      points: points of single images if ``per_image``, else means over the data set.
    """

    dataset: str
    method: str
    kind: str
    source: str
    points: tuple[PublishedPoint, ...]

    @property
    def per_image(self) -> bool:
        """Whether the points are of single images."""
        return self.points[0].image is not None

    @property
    def label(self) -> str:
        """The name of the method, with the input bit depth of an anchor."""
        depth = ANCHOR_DEPTH.get(self.method)
        return self.method if depth is None else f"{self.method} ({depth}-bit input)"


@cache
def curves() -> dict[tuple[str, str, bool], Curve]:
    """Return every shipped curve by (data set, method, per image)."""
    found: dict[tuple[str, str, bool], list] = {}
    about: dict[tuple[str, str, bool], tuple[str, str]] = {}
    for file, read in _FILES.items():
        for record in _records(file):
            (dataset, method, kind, source), point = read(record)
            key = (dataset, method, point.image is not None)
            about[key] = (kind, source)
            found.setdefault(key, []).append(point)
    return {key: Curve(*key[:2], *about[key], tuple(points)) for key, points in found.items()}


def find_curve(dataset: str, method: str) -> Curve:
    """Return the published curve of a method, per image if it is known so.

    Raises:
      ValueError: there is none for this data set or method; the message lists those there are.
    """
    for per_image in (True, False):
        curve = curves().get((dataset, method, per_image))
        if curve is not None:
            return curve
    known = sorted({m for d, m, _ in curves() if d == dataset})
    if not known:
        datasets = sorted({d for d, _, _ in curves()})
        raise ValueError(f"no reference for data set {dataset!r}: choose {', '.join(datasets)}")
    raise ValueError(f"no reference {method!r} on {dataset}: choose one of {', '.join(known)}")


def citations_of(dataset: str, method: str) -> tuple[str, ...]:
    """Return the BibTeX keys of a published curve's source, none for a curve from a file."""
    found = {c.source for (d, m, _), c in curves().items() if (d, m) == (dataset, method)}
    return tuple(key for source in sorted(found) for key in POINT_SOURCES[source].citations)


@cache
def kodak_digests() -> dict[str, str]:
    """Return the SHA-256 of the decoded RGB pixels of each Kodak image, hexadecimal."""
    return {r["image"]: r["sha256"] for r in _records("kodak_sha256.csv")}


def _records(name: str) -> list[dict[str, str]]:
    text = (resources.files("rdbound") / "reference" / name).read_text()
    return list(csv.DictReader(text.splitlines()))


_Record = Mapping[str, str]
_Keyed = tuple[tuple[str, str, str, str], PublishedPoint]


def _number(text: str) -> float | None:
    return float(text) if text else None


def _of_image(r: _Record) -> PublishedPoint:
    bpp, psnr, mse = (float(r[name]) for name in ("bpp", "psnr_rgb", "mse_255"))
    return PublishedPoint(r["image"], bpp, psnr, mse, ms_ssim=_number(r["ms_ssim_rgb"]))


def _vtm(r: _Record) -> _Keyed:
    method = "vtm-22.0" if r["input_bit_depth"] == "10" else "vtm-22.0-8bit"
    return (r["dataset"], method, "codec", "vtm-22.0"), _of_image(r)


def _published(r: _Record) -> _Keyed:
    mse, count = _number(r["mse_255"]), int(r["images"])
    ms_ssim = _number(r["ms_ssim_rgb"])
    point = PublishedPoint(None, float(r["bpp"]), _number(r["psnr_rgb"]), mse, count, ms_ssim)
    return (r["dataset"], r["method"], r["kind"], r["source"]), point


def _yang(r: _Record) -> _Keyed:
    return (r["dataset"], r["method"], r["kind"], r["source"]), _of_image(r)


_FILES = {
    "vtm-22.0_kodak.csv": _vtm,
    "yang2022_bounds_kodak_per_image.csv": _yang,
    "published_rd.csv": _published,
}
