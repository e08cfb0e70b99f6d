"""The gaps between a codec and the bound, exactly.

For one image and one λ, with J = R + λ·D in bits per pixel:

    asymptotic       J_coded   − J_ideal     what the entropy coder and the container cost
    amortization     J_ideal   − J_refined   what one encoder for all images costs
    output-rounding  J_refined − J_real      what rounding the codec's output to 8 bits costs
    digitization     J_real    − J_bound     what quantizing instead of an analog channel costs
    modeling         J_bound   − J_best      what the architecture costs against the best known
    total            J_coded   − J_best      their exact sum

After Zhang & Liu 2025 (arXiv 2501.12330), whose digitization contains the rounding of the
output, about λ/12: the error of a uniform rounding, 1/12 in MSE. So does ours where no rows
of ``codec-refined-real`` tell J_real: of vectors, which are not rounded, and of tables from
before that method; there is then no gap ``output-rounding``.

Beside them, where both methods are there (:data:`BESIDE`), ``bound-amortization``: the amortized
minus the refined bound; ``approximation``: the refined bound minus that of a richer posterior,
what a factorized Gaussian costs at the least; ``known-scale``: the bound whose posterior scale
the decoder knows minus the bound; ``marginalization``: the refined codec minus the same with its
hyperlatent's bits got back (Yang, Bamler & Mandt 2020). J_best is of
:mod:`rdbound.analysis.best_known`. The chain may hold negative links: a negative digitization says
that the bound's model is worse, or less trained, than the codec's, not that quantizing is
for free.

The gaps as BD-rate: what separates two curves at equal quality, in per cent of the lower one.

As in Zhang & Liu 2025 (arXiv 2501.12330); the same gaps in bits are
:mod:`rdbound.analysis.gaps`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.best_known import Best, Key, best_known
from rdbound.analysis.confidence import interval
from rdbound.analysis.curves import from_rows
from rdbound.analysis.image_sets import check_images
from rdbound.methods import form_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN, Row, check_unique, is_squared

__all__ = [
    "BESIDE",
    "BEST",
    "Chain",
    "GAPS",
    "PARTS",
    "bd_gaps",
    "chain",
    "gaps",
    "has_chain",
    "links",
    "pair",
]

PARTS = ("asymptotic", "amortization", "output-rounding", "digitization", "modeling")


BESIDE = {
    "bound-amortization": ("bound", "bound-refined"),
    "approximation": ("bound-refined", "bound-refined-coupled"),
    "known-scale": ("bound-prior-scaled", "bound"),
    "marginalization": ("codec-refined-ideal", "codec-bits-back-refined-ideal"),
}


"""Gaps that are no part of the total: the method above and the one below."""


GAPS = (*PARTS, "total", *BESIDE)


_NEEDED = ("codec-coded", "codec-ideal", "codec-refined-ideal", "bound-refined")


_REAL = "codec-refined-real"


BEST = "best known"


"""What stands for the model and the method of J_best."""


def links(real: str = _REAL) -> dict[str, tuple[str, str]]:
    """Each gap as the method above it and the one below, in order.

    ``real`` is the method before the codec's output is rounded to 8 bits; where that is
    ``codec-refined-ideal`` the rounding is not told apart, and no gap.
    """
    chained = {
        "asymptotic": ("codec-coded", "codec-ideal"),
        "amortization": ("codec-ideal", "codec-refined-ideal"),
        "output-rounding": ("codec-refined-ideal", real),
        "digitization": (real, "bound-refined"),
        "modeling": ("bound-refined", BEST),
        "total": ("codec-coded", BEST),
    }
    return {gap: link for gap, link in (chained | BESIDE).items() if link[0] != link[1]}


def pair(
    rows: Sequence[Row], bound: str | None = None, codec: str | None = None
) -> tuple[str, str]:
    """The names of the bound's and of the codec's model: those given, or the only ones.

    Raises ValueError, listing the models, where there is none, several to choose
    from, or not the one that is named.
    """
    return _model(rows, "bound", bound), _model(rows, "codec", codec)


def _model(rows: Sequence[Row], form: str, name: str | None) -> str:
    known = sorted({r.model for r in rows if form_of(r.method) == form})
    if name is None and len(known) == 1:
        return known[0]
    if name is None or name not in known:
        listed = ", ".join(known) or "none"
        raise ValueError(f"choose the {form}'s model with --{form}; the tables hold: {listed}")
    return name


@dataclass(frozen=True)
class Chain:
    """What the gaps of one pair of models are differences of.

    Attributes:
      bound, codec: names of the models.
      J: in bits per pixel by method, of each image and λ that has all that gaps need.
      best: the best point known of each of these.
      squared: whether D is the MSE.
    """

    bound: str
    codec: str
    J: Mapping[Key, Mapping[str, float]]
    best: Mapping[Key, Best]
    squared: bool

    @cached_property
    def real(self) -> str:
        """The method before the codec's output is rounded to 8 bits; where that is not told
        apart at every key, the one after it.
        """
        told = all(_REAL in values for values in self.J.values())
        return _REAL if told else "codec-refined-ideal"

    @cached_property
    def gaps(self) -> list[Gap]:
        """Each image, then their mean, at each λ."""
        single = [
            Gap(dataset, image, lmbda, gap, value, None, None)
            for dataset, lmbda, image in sorted(self.J)
            for gap, value in self._of_image((dataset, lmbda, image)).items()
        ]
        groups: dict[tuple[str, float, str], list[float]] = {}
        for g in single:
            groups.setdefault((g.dataset, g.lmbda, g.gap), []).append(g.value)
        return single + [_mean(*key, values) for key, values in groups.items()]

    def _of_image(self, key: Key) -> dict[str, float]:
        return _differences(self.J[key], self.best[key].J, self.real)


def chain(rows: Sequence[Row], bound: str | None = None, codec: str | None = None) -> Chain:
    """What the gaps of one (bound, codec) pair are differences of.

    Raises ValueError where refined or coded rows are missing, for rows of several data
    sets, two rows of one key, models of different distortions, or as :func:`pair` and
    :func:`rdbound.analysis.image_sets.check_images`.
    """
    _check(rows)
    names = pair(rows, bound, codec)
    squared = _in_squared_error(rows, *names)
    whole = {key: J for key, J in _J_by_method(rows, *names).items() if J.keys() >= set(_NEEDED)}
    if not whole:
        raise ValueError(
            f"gaps need the methods {', '.join(_NEEDED)} for the same image and λ: evaluate "
            "both models with refinement"
        )
    check_images("gaps", ((lmbda, image) for _, lmbda, image in whole))
    return Chain(*names, whole, best_known(rows, whole, squared), squared)


def has_chain(rows: Sequence[Row]) -> bool:
    """Whether every method is there that gaps need."""
    return {r.method for r in rows} >= set(_NEEDED)


def gaps(rows: Sequence[Row], bound: str | None = None, codec: str | None = None) -> list[Gap]:
    """All gaps of one pair: each image, then their mean, at each λ.

    Raises ValueError as :func:`chain`.
    """
    return chain(rows, bound, codec).gaps


def _check(rows: Sequence[Row]) -> None:
    check_unique(rows, "the tables")
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) > 1:
        raise ValueError(f"gaps are of one data set; the tables hold {', '.join(datasets)}")


def _in_squared_error(rows: Sequence[Row], bound: str, codec: str) -> bool:
    """Whether D of two models is the MSE: whether J = bpp + λ·mse in any row that lost something.

    Raises ValueError where it is of one of the two only.
    """
    models, squared = {"bound": bound, "codec": codec}, dict[str, bool]()
    for row in rows:
        form = form_of(row.method) or ""
        if row.mse > 0 and row.model == models.get(form):
            squared[form] = squared.get(form, False) or is_squared(row)
    if len(set(squared.values())) > 1:
        name, other = (bound, codec) if squared["bound"] else (codec, bound)
        raise ValueError(
            f"D of {name} is the MSE and that of {other} is not (its J is not bpp + λ·mse): "
            "they have no gaps; choose models of one distortion with --bound and --codec"
        )
    return all(squared.values())


def _J_by_method(rows: Sequence[Row], bound: str, codec: str) -> dict[Key, dict[str, float]]:
    """J of a pair by method, for each image and λ."""
    models = {"bound": bound, "codec": codec}
    out: dict[Key, dict[str, float]] = {}
    for row in rows:
        if row.model == models.get(form_of(row.method) or ""):
            out.setdefault((row.dataset, row.lmbda, row.image), {})[row.method] = row.J
    return out


def _differences(J: Mapping[str, float], best: float, real: str) -> dict[str, float]:
    """The gaps of one image, in order; ``real`` as of :func:`links`."""
    known = {**J, BEST: best}
    out = {
        gap: known[upper] - known[lower]
        for gap, (upper, lower) in links(real).items()
        if {upper, lower} <= known.keys()
    }
    assert math.isclose(sum(out[g] for g in PARTS if g in out), out["total"], abs_tol=1e-9)
    return out


def _mean(dataset: str, lmbda: float, gap: str, values: Sequence[float]) -> Gap:
    lo, hi = interval(values) or (None, None)
    return Gap(dataset, MEAN, lmbda, gap, float(np.mean(values)), lo, hi)


def bd_gaps(rows: Sequence[Row], of: Chain, method: str = "pchip") -> dict[str, BDRate | str]:
    """The gaps as BD-rate between the curves they separate, by their names.

    Per image, then averaged. The best curve of an image is of the points that J_best is
    attained at (:mod:`rdbound.analysis.best_known`), at each λ that has gaps: corners of the
    lower convex hull of every point known, or (R, D) on the exact curve where theory has it.
    A point that is the best at several λ is one point of the curve.

    Args:
      rows: of one data set.
      of: the chain of the pair in ``rows``.
      method: of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    A sentence in the place of a value says why two curves have none: where they are not
    of the same images at every λ, or :func:`rdbound.analysis.bd_rate.compare` refuses them.
    """
    known = {BEST: _best_rows(rows, of.best)}
    for name in {name for link in links(of.real).values() for name in link} - {BEST}:
        model = of.bound if form_of(name) == "bound" else of.codec
        known[name] = [r for r in rows if (r.method, r.model) == (name, model)]
    return {
        gap: _value(known[lower], known[upper], method)
        for gap, (upper, lower) in links(of.real).items()
        if known[upper] and known[lower]
    }


def _value(lower: Sequence[Row], upper: Sequence[Row], method: str) -> BDRate | str:
    try:
        # Two curves at a time: those of a million rows are a lot to keep.
        anchor, test = from_rows([*lower, *upper]).values()
    except ValueError as error:
        return str(error)
    return compared(anchor, test, method)


def _best_rows(rows: Sequence[Row], best: Mapping[Key, Best]) -> list[Row]:
    """The best points as rows of a method of their own."""
    first, (model, method) = rows[0], BEST.split()
    return [
        replace(
            first,
            dataset=dataset,
            image=image,
            lmbda=lmbda,
            model=model,
            method=method,
            bpp=point.bpp,
            mse=point.mse,
            psnr=point.psnr,
            J=J,
        )
        for (dataset, lmbda, image), (J, point) in best.items()
    ]
