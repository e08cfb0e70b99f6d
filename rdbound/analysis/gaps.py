"""The gaps between a codec and the bound, exactly.

For one image and one λ, with J = R + λ·D in bits per pixel:

    asymptotic    J_coded   − J_ideal     what the entropy coder and the container cost
    amortization  J_ideal   − J_refined   what one encoder for all images costs
    digitization  J_refined − J_bound     what quantizing instead of an analog channel costs
    modeling      J_bound   − J_best      what the architecture costs against the best known
    total         J_coded   − J_best      their exact sum

After Zhang & Liu 2025 (arXiv 2501.12330). Beside them, ``bound-amortization``:
the amortized minus the refined bound. J_best is on the exact R(D) where rows of
the method ``exact`` tell it, and else the lowest bound known.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rdbound import reference
from rdbound.analysis.images import check_images
from rdbound.analysis.interval import interval
from rdbound.methods import METHODS
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import Row, check_unique

__all__ = ["GAPS", "PARTS", "exact_J", "gaps", "pair"]

PARTS = ("asymptotic", "amortization", "digitization", "modeling")
GAPS = (*PARTS, "total", "bound-amortization")
_NEEDED = ("codec-coded", "codec-ideal", "codec-refined-ideal", "bound-refined")

_Key = tuple[str, float, str]  # (data set, λ, image)


def _form(row: Row) -> str | None:
    """``bound``, ``codec``, or None for what no model of the pair is judged by."""
    return METHODS[row.method].form if row.method in METHODS else None


def _kind(row: Row) -> str | None:
    return METHODS[row.method].kind if row.method in METHODS else None


def pair(
    rows: Sequence[Row], bound: str | None = None, codec: str | None = None
) -> tuple[str, str]:
    """The names of the bound's and of the codec's model: those given, or the only ones.

    Raises ValueError, listing the models, where there is none, several to choose
    from, or not the one that is named.
    """
    return _model(rows, "bound", bound), _model(rows, "codec", codec)


def _model(rows: Sequence[Row], form: str, name: str | None) -> str:
    known = sorted({r.model for r in rows if _form(r) == form})
    if name is None and len(known) == 1:
        return known[0]
    if name is None or name not in known:
        listed = ", ".join(known) or "none"
        raise ValueError(f"choose the {form}'s model with --{form}; the tables hold: {listed}")
    return name


def exact_J(rows: Sequence[Row]) -> dict[tuple[str, float], float]:
    """J on the exact R(D) by (data set, λ), in bits per pixel, where rows tell it.

    R(D) is of the source: the same for every image of its data set.
    """
    return {(r.dataset, r.lmbda): r.J for r in rows if _kind(r) == "exact"}


def gaps(rows: Sequence[Row], bound: str | None = None, codec: str | None = None) -> list[Gap]:
    """All gaps of one (bound, codec) pair: each image, then their mean, at each λ.

    J_best is :func:`exact_J` where the source's R(D) is known. Elsewhere every
    bound in ``rows``, and on Kodak the per-image bounds of Yang & Mandt 2022
    through the support line of λ, compete for it.

    Raises ValueError where refined or coded rows are missing, for rows of several
    data sets, two rows of one key, or as :func:`pair`.
    """
    _check(rows)
    J = _values(rows, *pair(rows, bound, codec))
    best = _best(rows)
    single = {
        key: _of_image(values, best[key])
        for key, values in J.items()
        if values.keys() >= set(_NEEDED)
    }
    if not single:
        raise ValueError(
            f"gaps need the methods {', '.join(_NEEDED)} for the same image and λ: evaluate "
            "both models with refinement"
        )
    check_images("gaps", ((lmbda, image) for _, lmbda, image in single))
    return _listed(single)


def _check(rows: Sequence[Row]) -> None:
    check_unique(rows, "the tables")
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) > 1:
        raise ValueError(f"gaps are of one data set; the tables hold {', '.join(datasets)}")


def _values(rows: Sequence[Row], bound: str, codec: str) -> dict[_Key, dict[str, float]]:
    """J of the pair by method, for each image and λ."""
    models = {"bound": bound, "codec": codec}
    out: dict[_Key, dict[str, float]] = {}
    for row in rows:
        if row.model == models.get(_form(row) or ""):
            out.setdefault((row.dataset, row.lmbda, row.image), {})[row.method] = row.J
    return out


def _best(rows: Sequence[Row]) -> dict[_Key, float]:
    """J_best of each image and λ that has a bound."""
    exact = exact_J(rows)
    rivals: dict[_Key, list[float]] = {}
    for row in rows:
        if _kind(row) == "bound":
            rivals.setdefault((row.dataset, row.lmbda, row.image), []).append(row.J)
    return {
        key: exact[key[:2]] if key[:2] in exact else min(values + _published(*key))
        for key, values in rivals.items()
    }


def _of_image(J: Mapping[str, float], best: float) -> dict[str, float]:
    out = {
        "asymptotic": J["codec-coded"] - J["codec-ideal"],
        "amortization": J["codec-ideal"] - J["codec-refined-ideal"],
        "digitization": J["codec-refined-ideal"] - J["bound-refined"],
        "modeling": J["bound-refined"] - best,
        "total": J["codec-coded"] - best,
    }
    assert math.isclose(sum(out[g] for g in PARTS), out["total"], abs_tol=1e-9)
    if "bound" in J:
        out["bound-amortization"] = J["bound"] - J["bound-refined"]
    return out


def _published(dataset: str, lmbda: float, image: str) -> list[float]:
    """J at λ of the published bounds of one image: the lowest support line of slope −λ."""
    values = []
    for (name, _, per_image), curve in reference.curves().items():
        if name == dataset and per_image and curve.kind == "bound":
            values += [p.bpp + lmbda * p.mse for p in curve.points if p.image == image and p.mse]
    return [min(values)] if values else []


def _listed(single: Mapping[_Key, Mapping[str, float]]) -> list[Gap]:
    groups: dict[tuple[str, float], list[Mapping[str, float]]] = {}
    out = []
    for (dataset, lmbda, image), values in sorted(single.items()):
        groups.setdefault((dataset, lmbda), []).append(values)
        out += [Gap(dataset, image, lmbda, g, v, None, None) for g, v in values.items()]
    for (dataset, lmbda), images in groups.items():
        out += [_mean(dataset, lmbda, g, images) for g in GAPS if any(g in v for v in images)]
    return out


def _mean(dataset: str, lmbda: float, gap: str, images: Sequence[Mapping[str, float]]) -> Gap:
    values = [v[gap] for v in images if gap in v]
    lo, hi = interval(values) or (None, None)
    return Gap(dataset, "mean", lmbda, gap, float(np.mean(values)), lo, hi)
