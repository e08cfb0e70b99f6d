"""The gaps between a codec and the bound, exactly.

For one image and one λ, with J = R + λ·D in bits per pixel:

    asymptotic       J_coded   − J_ideal     what the entropy coder and the container cost
    amortization     J_ideal   − J_refined   what one encoder for all images costs
    output-rounding  J_refined − J_real      what rounding the codec's output to 8 bits costs
    digitization     J_real    − J_bound     what quantizing instead of an analog channel costs
    modeling         J_bound   − J_best      what the architecture costs against the best known
    total            J_coded   − J_best      their exact sum

After Zhang & Liu 2025 (arXiv 2501.12330), whose digitization contains the rounding of the
output, about λ/12: the error of a uniform rounding, 1/12 in MSE. So does ours in tables without
rows of ``codec-refined-real``, as those of vectors, which are not rounded; they have no gap
``output-rounding``.

Beside the chain stand the gaps that single methods add (``gap`` of their records in
:mod:`rdbound.methods`). J_best is of :mod:`rdbound.analysis.best_known`. A gap may be negative: a
negative digitization means that the bound's model is worse, or less trained, than the codec's, not
that quantizing is free.

The methods of these formulas are roles (``role`` of a record): in a table without
``bound-refined``, ``bound-sampled-refined`` is the refined bound.

The same gaps as BD-rate (:func:`bd_gaps`): the difference of rate between two curves at equal
quality, in per cent of the lower curve's, as Zhang & Liu give them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.best_known import Best, PointKey, best_known
from rdbound.analysis.confidence import interval
from rdbound.analysis.curves import from_rows
from rdbound.analysis.image_sets import check_images
from rdbound.methods import METHODS, GapDefinition, form_of, roles
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN, Row, check_unique, is_squared

__all__ = [
    "BEST",
    "GAP_CITATIONS",
    "PARTS",
    "Chain",
    "bd_gaps",
    "chain",
    "definitions",
    "gaps",
    "has_chain",
    "pair",
]

GAP_CITATIONS = ("zhang2025gap",)
"""BibTeX keys."""

_REAL, _ROUNDED = "codec-refined-real", "codec-refined-ideal"
_NEEDED = ("codec-coded", "codec-ideal", _ROUNDED, "bound-refined")

BEST = "best known"
"""What stands for the model and the method of J_best."""

_AT_EXACT = "a finite sample lies below the R(D) of its source, which no bound does in the mean"
_CHAIN = (
    GapDefinition(
        "asymptotic",
        "codec-coded",
        "codec-ideal",
        "fewer bits were written than the symbols' own code lengths; the rows are not of the same "
        "symbols",
    ),
    GapDefinition(
        "amortization",
        "codec-ideal",
        _ROUNDED,
        "refinement ended above the inference network's parameters, so it failed",
    ),
    GapDefinition(
        "output-rounding",
        _ROUNDED,
        _REAL,
        "the decoder's output is so near to the image that rounding it to the grid of 8 bits, "
        "where the image lies, takes errors away",
    ),
    GapDefinition(
        "digitization",
        _REAL,
        "bound-refined",
        "the bound's model is not the tighter one (it is a worse model, or less trained, than the "
        "codec's), so this is no measure of quantization",
    ),
    GapDefinition("modeling", "bound-refined", BEST, _AT_EXACT),
    GapDefinition("total", "codec-coded", BEST, _AT_EXACT),
)

PARTS = tuple(gap.name for gap in _CHAIN[:-1])
"""The gaps whose sum is the total."""


def definitions(rounding: bool = True) -> tuple[GapDefinition, ...]:
    """Return the gaps in order: the parts, the total, and those beside the chain.

    Args:
      rounding: whether J before the output's rounding to 8 bits is known; without it digitization
        contains the rounding, and there is no gap ``output-rounding``.
    """
    beside = (method.gap for method in METHODS.values() if method.gap is not None)
    if rounding:
        return (*_CHAIN, *beside)
    chain = (g for g in _CHAIN if g.lower != _REAL)
    return (*(g._replace(upper=_ROUNDED) if g.upper == _REAL else g for g in chain), *beside)


def pair(
    rows: Sequence[Row], bound: str | None = None, codec: str | None = None
) -> tuple[str, str]:
    """Return the names of the bound's and of the codec's model: those given, or the only ones.

    Raises:
      ValueError: a model is missing, unknown or ambiguous; the message lists the models.
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
    """The values of J whose differences are the gaps of one pair of models.

    Attributes:
      bound: name of the bound's model.
      codec: name of the codec's model.
      methods: method by role (:func:`rdbound.methods.roles`).
      J: J in bits per pixel by role, for each image and λ that has all that gaps need.
      best: best known point of each of these.
      squared: whether D is the MSE.
    """

    bound: str
    codec: str
    methods: Mapping[str, str]
    J: Mapping[PointKey, Mapping[str, float]]
    best: Mapping[PointKey, Best]
    squared: bool

    @cached_property
    def definitions(self) -> tuple[GapDefinition, ...]:
        """The gaps; without ``output-rounding`` unless J before it is known at every key."""
        return definitions(self.separates_rounding)

    @property
    def separates_rounding(self) -> bool:
        """Whether J before the rounding of the output is known at every key."""
        return all(_REAL in values for values in self.J.values())

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

    def _of_image(self, key: PointKey) -> dict[str, float]:
        known = {**self.J[key], BEST: self.best[key].J}
        out = {
            gap.name: known[gap.upper] - known[gap.lower]
            for gap in self.definitions
            if {gap.upper, gap.lower} <= known.keys()
        }
        assert math.isclose(sum(out[g] for g in PARTS if g in out), out["total"], abs_tol=1e-9)
        return out


def chain(rows: Sequence[Row], bound: str | None = None, codec: str | None = None) -> Chain:
    """Return the values of J whose differences are the gaps of one (bound, codec) pair.

    Args:
      rows: rows of one data set.
      bound: name of the bound's model; the only one by default.
      codec: name of the codec's model; the only one by default.

    Raises:
      ValueError: refined or coded rows are missing, the rows are of several data sets, two rows
        have one key, the models have different distortions; or as :func:`pair` and
        :func:`rdbound.analysis.image_sets.check_images`.
    """
    _check(rows)
    names = pair(rows, bound, codec)
    squared = _in_squared_error(rows, *names)
    methods, J = _J_by_role(rows, *names)
    whole = {key: values for key, values in J.items() if values.keys() >= set(_NEEDED)}
    if not whole:
        raise ValueError(
            f"gaps need the methods {', '.join(_NEEDED)} for the same image and λ: evaluate "
            "both models with refinement"
        )
    check_images("gaps", ((lmbda, image) for _, lmbda, image in whole))
    return Chain(*names, methods, whole, best_known(rows, whole, squared), squared)


def has_chain(rows: Sequence[Row]) -> bool:
    """Return whether the table has every method that gaps need."""
    return roles({r.method for r in rows}).keys() >= set(_NEEDED)


def gaps(rows: Sequence[Row], bound: str | None = None, codec: str | None = None) -> list[Gap]:
    """Return all gaps of one pair: each image, then their mean, at each λ; as :func:`chain`."""
    return chain(rows, bound, codec).gaps


def _check(rows: Sequence[Row]) -> None:
    check_unique(rows, "the tables")
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) > 1:
        raise ValueError(f"gaps are of one data set; the tables hold {', '.join(datasets)}")


def _in_squared_error(rows: Sequence[Row], bound: str, codec: str) -> bool:
    """Return whether D of two models is the MSE: J = bpp + λ·mse in any row with an error.

    Raises:
      ValueError: it is the MSE for one of the two only.
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


def _J_by_role(
    rows: Sequence[Row], bound: str, codec: str
) -> tuple[dict[str, str], dict[PointKey, dict[str, float]]]:
    """Return the methods of a pair by role, and J by role for each image and λ."""
    models = {"bound": bound, "codec": codec}
    own = [row for row in rows if row.model == models.get(form_of(row.method) or "")]
    methods = roles({row.method for row in own})
    role = {method: name for name, method in methods.items()}
    J: dict[PointKey, dict[str, float]] = {}
    for row in own:
        if row.method in role:
            J.setdefault((row.dataset, row.lmbda, row.image), {})[role[row.method]] = row.J
    return methods, J


def _mean(dataset: str, lmbda: float, gap: str, values: Sequence[float]) -> Gap:
    lo, hi = interval(values) or (None, None)
    return Gap(dataset, MEAN, lmbda, gap, float(np.mean(values)), lo, hi)


def bd_gaps(rows: Sequence[Row], of: Chain, method: str = "pchip") -> dict[str, BDRate | str]:
    """Return, by name, the gaps as BD-rate between the curves that they separate.

    They are computed per image, then averaged. The best curve of an image consists of the points
    that attain J_best (:mod:`rdbound.analysis.best_known`) at each λ that has gaps: corners of
    the lower convex hull of every point known, or (R, D) on the exact curve if it is known. A
    point that is the best at several λ is one point of the curve.

    Args:
      rows: rows of one data set.
      of: chain of the pair in ``rows``.
      method: interpolation, of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Returns:
      BD-rates; in the place of one, the reason why two curves have none, such as different images
      at some λ, or an error of :func:`rdbound.analysis.bd_rate.compare`.
    """
    known = {BEST: _best_rows(rows, of.best)}
    for role, name in of.methods.items():
        model = of.bound if form_of(name) == "bound" else of.codec
        known[role] = [r for r in rows if (r.method, r.model) == (name, model)]
    return {
        gap.name: _value(known[gap.lower], known[gap.upper], method)
        for gap in of.definitions
        if known.get(gap.upper) and known.get(gap.lower)
    }


def _value(lower: Sequence[Row], upper: Sequence[Row], method: str) -> BDRate | str:
    try:
        # Two curves at a time: those of a million rows are a lot to keep.
        anchor, test = from_rows([*lower, *upper]).values()
    except ValueError as error:
        return str(error)
    return compared(anchor, test, method)


def _best_rows(rows: Sequence[Row], best: Mapping[PointKey, Best]) -> list[Row]:
    """Return the best points as rows of a method of their own."""
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
