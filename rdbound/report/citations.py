"""Sentences for a paper about the rows of an RD table, and the BibTeX of what made them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from rdbound import reference
from rdbound.analysis import bd_rate
from rdbound.analysis import gaps as gap_analysis
from rdbound.analysis.curves import QUALITY_CITATIONS, ImageCurves, anchor_on, from_rows, is_on
from rdbound.methods import METHODS, kind_of, method_order, roles
from rdbound.report.document import Formula, Sentence
from rdbound.report.wording import distortion_words, words_of
from rdbound.tables.rd import Row

__all__ = ["Citing", "bibliography", "cited_keys", "citing"]

ModelKeys = Mapping[str, Sequence[str]]  # BibTeX keys by name of a model
_BOUNDS = ("bound-refined", "bound")  # roles, the tighter first
_RATES = {
    "bound": "rates are relative entropies of posteriors to priors",
    "coded": "sizes of whole files",
}


class Citing(NamedTuple):
    """What a paper needs of a run.

    Attributes:
      sentences: one for the tightest bound and one for the files of each model, with its BD-rate,
        or its mean points without an anchor.
      keys: BibTeX keys of what the sentences and the run are based on.
      bibtex: the entries of these keys.
    """

    sentences: tuple[Sentence, ...]
    keys: tuple[str, ...]
    bibtex: str


def citing(rows: Sequence[Row], anchor: str, models: ModelKeys | None = None) -> Citing:
    """Return sentences and BibTeX entries for the rows of one data set.

    Args:
      rows: rows of one data set.
      anchor: anchor of the BD-rates.
      models: BibTeX keys by name of a model.

    Raises:
      ValueError: see :func:`rdbound.analysis.curves.anchor_on`.
    """
    keys = cited_keys(rows, anchor, models)
    return Citing(tuple(_sentences(rows, anchor)), keys, bibliography(keys))


def cited_keys(
    rows: Sequence[Row], anchor: str, models: ModelKeys | None = None
) -> tuple[str, ...]:
    """Return the BibTeX keys of exactly what made the rows; arguments as of :func:`citing`."""
    methods = {row.method for row in rows}
    keys = ["rdbound"]
    if {"bound-refined", "codec-refined-ideal"} <= roles(methods).keys():
        keys += gap_analysis.GAP_CITATIONS
    for name in sorted(methods & METHODS.keys(), key=method_order):
        keys += METHODS[name].citations
    for model in dict.fromkeys(row.model for row in rows):
        keys += (models or {}).get(model, ())
    if any(r.ms_ssim is not None for r in rows):
        keys += QUALITY_CITATIONS["ms-ssim"]
    dataset = rows[0].dataset if rows else ""
    if rows and is_on(anchor, dataset):
        keys += [*bd_rate.BD_RATE_CITATIONS, *reference.citations_of(dataset, anchor)]
    keys += reference.DATASET_CITATIONS.get(dataset, ())
    return tuple(dict.fromkeys(keys))


def bibliography(keys: Iterable[str]) -> str:
    """Return the BibTeX entries of ``keys`` in their order; KeyError for an unknown key."""
    return "\n".join(_entries()[key] for key in keys)


@cache
def _entries() -> dict[str, str]:
    text = (resources.files("rdbound") / "reference" / "citations.bib").read_text()
    found = {}
    for piece in text.split("\n@"):
        entry = "@" + piece.removeprefix("@").strip() + "\n"
        found[entry[entry.index("{") + 1 : entry.index(",")]] = entry
    return found


def _sentences(rows: Sequence[Row], anchor: str) -> Iterator[Sentence]:
    base = anchor_on(anchor, rows[0].dataset) if rows else None
    curves = from_rows(rows)
    for model in dict.fromkeys(row.model for row in rows):
        for method in _described({name for _, m, name in curves if m == model}):
            own = [r for r in rows if (r.model, r.method) == (model, method)]
            yield _sentence(own, _position(base, curves[own[0].dataset, model, method], own))


def _described(methods: set[str]) -> Iterator[str]:
    """Yield the tightest bound of a model, and its files, refined if there are any."""
    by_role = roles(methods)
    bounds = [by_role[role] for role in _BOUNDS if role in by_role]
    coded = sorted(
        (m for m in methods if kind_of(m) == "coded"),
        key=lambda name: (METHODS[name].surrogate is None, name),
    )
    yield from [*bounds[:1], *coded[:1]]


def _position(base: ImageCurves | None, curve: ImageCurves, rows: Sequence[Row]) -> Sentence:
    """Return where a curve lies: its BD-rate against the anchor, or its mean points."""
    item = words_of(row.image for row in rows).item
    value = "no anchor" if base is None else bd_rate.compared(base, curve)
    if base is None or isinstance(value, str):
        points = (f"{bpp:.4f} at {psnr:.2f}\u202fdB" for bpp, psnr in _means(rows))
        return (f"lies at mean rates of {', '.join(points)} PSNR of the mean MSE",)
    interval: Sentence = ()
    if value.interval is not None:
        low, high = value.interval
        interval = (
            f" (95\u202f% interval over {item}s ",
            Formula(f"[{low:+.1f}, {high:+.1f}]"),
            ")",
        )
    how = f"per {item}, then averaged" if value.averaged is None else "of means"
    percent = Formula(f"{value.value:+.1f}\u202f%")
    against = f" BD-rate (PSNR over RGB, {how}) against {base.name}"
    return ("lies at ", percent, *interval, against)


def _means(rows: Sequence[Row]) -> Iterator[tuple[float, float]]:
    """Yield the mean rate and the PSNR of the mean MSE at each λ.

    A point of means over images lies above R(D) for the mean MSE. The mean of PSNRs, which is
    higher, would be no point of an upper bound.
    """
    peak = 255.0 if words_of(row.image for row in rows).unit == "pixel" else 1.0
    for lmbda in sorted({row.lmbda for row in rows}):
        own = [row for row in rows if row.lmbda == lmbda]
        mse = sum(r.mse for r in own) / len(own)
        quality = 10 * math.log10(peak**2 / mse) if mse else math.inf
        yield sum(r.bpp for r in own) / len(own), quality


def _sentence(rows: Sequence[Row], position: Sentence) -> Sentence:
    first, words = rows[0], words_of(row.image for row in rows)
    kind = kind_of(first.method) or ""
    lmbdas = sorted({row.lmbda for row in rows})
    span = f"from {lmbdas[0]:.4g} to {lmbdas[-1]:.4g}" if lmbdas[1:] else f"= {lmbdas[0]:.4g}"
    what, output = "the rate of coded files", ", 8-bit reconstructions"
    if kind == "bound":
        what = "an upper bound on the rate–distortion function"
        output = ", reconstructions real-valued"
    elif words.unit != "pixel":
        output = ""
    steps = f" after {first.steps} steps of optimization per {words.item}" if first.steps else ""
    count = words.counted(len({row.image for row in rows}))
    return (
        f"On {count} of {first.dataset}, {what} by {first.model}{steps} ",
        *position,
        ", for ",
        Formula("λ"),
        f" {span} in ",
        Formula("R + λD"),
        " with ",
        Formula("R"),
        f" in bits per {words.unit} and ",
        Formula("D"),
        f" {distortion_words(rows)} ({METHODS[first.method].rate or _RATES[kind]}{output}).",
    )
