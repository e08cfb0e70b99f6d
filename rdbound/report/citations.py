"""What a paper needs of a run: one sentence with its bound, and whom to cite for what was used."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import ImageCurves, anchor_on, from_rows, is_on
from rdbound.methods import METHODS, kind_of
from rdbound.report.latex import escaped
from rdbound.report.wording import distortion_words, words_of
from rdbound.tables.rd import Row

__all__ = ["Citing", "bibliography", "citing", "cited_keys"]

_THROUGH = {
    "sga": "yang2020improving",
    "bits-back-sga": "yang2020improving",
    "soft-rounding": "agustsson2020universal",
    "uniform": "agustsson2020universal",
}
_CODERS = {
    "rec": "flamich2020rec",
    "layered": "hegazy2022randomized",
    "dithered": "agustsson2020universal",
    "vbq": "yang2020vbq",
    "bits-back": "yang2020improving",
}
_FAMILIES = {
    "res-hyper": "zhang2025gap",
    "res-context": "zhang2025gap",
    "resnet-vae": "duan2023qarv",
}
_BOUNDS = ("bound-refined", "bound")  # the tighter first


class Citing(NamedTuple):
    """Of a run.

    Attributes:
      sentences: ready to paste, in LaTeX, one for the bound and one for the bytes of each model:
        its BD-rate, or its points where it has none.
      keys: of what they and the run rest on.
      bibtex: the entries.
    """

    sentences: tuple[str, ...]
    keys: tuple[str, ...]
    bibtex: str


def citing(rows: Sequence[Row], anchor: str) -> Citing:
    """The sentences and entries of the rows of one data set, with BD-rates against ``anchor``.

    Raises ValueError as :func:`rdbound.analysis.curves.anchor_on`.
    """
    keys = cited_keys(rows, anchor)
    return Citing(tuple(_sentences(rows, anchor)), keys, bibliography(keys))


def cited_keys(rows: Sequence[Row], anchor: str) -> tuple[str, ...]:
    """Of :func:`bibliography`, those of exactly what made the rows."""
    methods = {row.method for row in rows}
    records = [METHODS[name] for name in METHODS if name in methods]
    keys = ["rdbound"]
    if any(m.form == "bound" for m in records):
        keys.append("yang2022sandwich")
    if {"bound-refined", "codec-refined-ideal"} <= methods:
        keys.append("zhang2025gap")
    for record in records:
        keys += [_THROUGH[record.surrogate]] if record.surrogate in _THROUGH else []
        keys += [_CODERS[record.coder]] if record.coder in _CODERS else []
        keys += ["bamler2022ans"] if record.coder else []
    for family, key in _FAMILIES.items():
        keys += [key] if any(row.model.startswith(family) for row in rows) else []
    if any(r.ms_ssim is not None for r in rows):
        keys.append("wang2003msssim")
    dataset = rows[0].dataset if rows else ""
    if rows and is_on(anchor, dataset):
        keys += ["bjontegaard2001", *(["bross2021vvc"] if anchor.startswith("vtm") else [])]
    keys += ["kodak"] if dataset == "kodak" else []
    return tuple(dict.fromkeys(keys))


def bibliography(keys: Iterable[str]) -> str:
    """BibTeX entries of ``keys``, in their order; KeyError for one that is not shipped."""
    return "\n".join(_entries()[key] for key in keys)


@cache
def _entries() -> dict[str, str]:
    text = (resources.files("rdbound") / "reference" / "citations.bib").read_text()
    found = {}
    for piece in text.split("\n@"):
        entry = "@" + piece.removeprefix("@").strip() + "\n"
        found[entry[entry.index("{") + 1 : entry.index(",")]] = entry
    return found


def _sentences(rows: Sequence[Row], anchor: str) -> Iterator[str]:
    base = anchor_on(anchor, rows[0].dataset) if rows else None
    curves = from_rows(rows)
    for model in dict.fromkeys(row.model for row in rows):
        for method in _said(model, {name for _, m, name in curves if m == model}):
            own = [r for r in rows if (r.model, r.method) == (model, method)]
            yield _sentence(own, _reached(base, curves[own[0].dataset, model, method], own))


def _said(model: str, methods: set[str]) -> Iterator[str]:
    """The tightest bound of a model, and its bytes: refined where they were refined."""
    bounds = [name for name in _BOUNDS if name in methods]
    coded = sorted(
        (m for m in methods if kind_of(m) == "coded"),
        key=lambda name: (METHODS[name].surrogate is None, name),
    )
    yield from [*bounds[:1], *coded[:1]]


def _reached(base: ImageCurves | None, curve: ImageCurves, rows: Sequence[Row]) -> str:
    """Where a curve lies: its BD-rate against the anchor, or its mean points."""
    item = words_of(row.image for row in rows).item
    try:
        if base is None:
            raise ValueError("no anchor")
        value = compare(base, curve)
    except ValueError:
        points = (f"{p[0]:.4f} at {p[1]:.2f}\\,dB" for p in _means(rows))
        return f"lies at mean rates of {', '.join(points)} PSNR of the mean MSE"
    percent = f"${value.value:+.1f}\\,\\%$"
    if value.interval is not None:
        low, high = value.interval
        percent += f" (95\\,\\% interval over {item}s $[{low:+.1f}, {high:+.1f}]$)"
    how = f"per {item}, then averaged" if value.averaged is None else "of means"
    return f"lies at {percent} BD-rate (PSNR over RGB, {how}) against {escaped(base.name)}"


def _means(rows: Sequence[Row]) -> Iterator[tuple[float, float]]:
    """The mean rate, and the PSNR of the mean MSE, by λ.

    A point of means over images lies above R(D) for the mean MSE. The mean of PSNRs, which is
    higher, would be no point of an upper bound.
    """
    peak = 255.0 if words_of(row.image for row in rows).unit == "pixel" else 1.0
    for lmbda in sorted({row.lmbda for row in rows}):
        own = [row for row in rows if row.lmbda == lmbda]
        mse = sum(r.mse for r in own) / len(own)
        quality = 10 * math.log10(peak**2 / mse) if mse else math.inf
        yield sum(r.bpp for r in own) / len(own), quality


def _sentence(rows: Sequence[Row], reached: str) -> str:
    first, words = rows[0], words_of(row.image for row in rows)
    lmbdas = sorted({row.lmbda for row in rows})
    span = f"{lmbdas[0]:.4g} to {lmbdas[-1]:.4g}"
    count = len({row.image for row in rows})
    if kind_of(first.method) == "bound":
        what = "an upper bound on the rate--distortion function"
        how = "rates are relative entropies of posteriors to priors, reconstructions real-valued"
    else:
        what = "the rate of coded files"
        whole = "bits-back" not in first.method
        how = "sizes of whole files" if whole else "sizes of files less what rides along"
        how += ", 8-bit reconstructions" if words.unit == "pixel" else ""
    steps = f" after {first.steps} steps of optimization per {words.item}" if first.steps else ""
    return (
        f"On {words.counted(count)} of {escaped(first.dataset)}, {what} by "
        f"{escaped(first.model)}{steps} {reached}, for $\\lambda$ "
        f"{f'from {span}' if len(lmbdas) > 1 else f'= {lmbdas[0]:.4g}'} in "
        f"$R + \\lambda D$ with $R$ in bits per "
        f"{words.unit} and $D$ {distortion_words(rows)} ({how})."
    )
