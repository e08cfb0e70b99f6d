"""The gaps between a codec and the bound, exactly.

For one image and one λ, with J = R + λ·D in bits per pixel:

    asymptotic    J_coded   − J_ideal     what the entropy coder and the container cost
    amortization  J_ideal   − J_refined   what one encoder for all images costs
    digitization  J_refined − J_bound     what quantizing instead of an analog channel costs
    modeling      J_bound   − J_best      what the architecture costs against the best bound known
    total         J_coded   − J_best      their exact sum

After Zhang & Liu 2025 (arXiv 2501.12330). Beside them, ``bound-amortization``:
the amortized minus the refined bound.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rdbound import reference
from rdbound.analysis.bd_rate import BDRate, compare
from rdbound.analysis.bootstrap import interval
from rdbound.analysis.curves import from_rows
from rdbound.table import Row, check_unique, write_rows

__all__ = ["GAPS", "PARTS", "Gap", "bd_gaps", "gaps", "pair", "write_gaps"]

PARTS = ("asymptotic", "amortization", "digitization", "modeling")
GAPS = (*PARTS, "total", "bound-amortization")


@dataclass(frozen=True)
class Gap:
    """One gap in bits per pixel; ``image`` is ``mean`` for the average over the data set.

    ``lo``, ``hi``: 95 % bootstrap interval over images, None for single images.
    """

    dataset: str
    image: str
    lmbda: float
    gap: str
    value: float
    lo: float | None
    hi: float | None


def pair(rows: Sequence[Row], bound: str | None = None, codec: str | None = None):
    """The names of the bound's and the codec's model; raises ValueError unless settled."""
    models = {
        "bound": sorted({r.model for r in rows if r.method.startswith("bound")}),
        "codec": sorted({r.model for r in rows if r.method.startswith("codec")}),
    }
    chosen = []
    for form, name in (("bound", bound), ("codec", codec)):
        known = models[form]
        if name is None and len(known) == 1:
            name = known[0]
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ValueError(f"choose the {form}'s model with --{form}; the tables hold: {listed}")
        chosen.append(name)
    return tuple(chosen)


def gaps(rows: Sequence[Row], bound: str | None = None, codec: str | None = None) -> list[Gap]:
    """All gaps of one (bound, codec) pair: each image, then their mean, at each λ.

    Every other bound in ``rows``, and on Kodak the per-image bounds of Yang &
    Mandt 2022 through the support line of λ, compete for J_best. Raises
    ValueError where refined rows are missing, for rows of several data sets or
    two rows of one key.
    """
    check_unique(rows, "the tables")
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) > 1:
        raise ValueError(f"gaps are of one data set; the tables hold {', '.join(datasets)}")
    bound, codec = pair(rows, bound, codec)
    J: dict[tuple, dict[str, float]] = {}
    rivals: dict[tuple, list[float]] = {}
    for row in rows:
        key = (row.dataset, row.lmbda, row.image)
        if row.method.startswith("bound"):
            rivals.setdefault(key, []).append(row.J)
        if row.model == (bound if row.method.startswith("bound") else codec):
            J.setdefault(key, {})[row.method] = row.J
    single = {
        key: _of_image(values, min(rivals[key] + _published(*key)))
        for key, values in J.items()
        if {"codec-coded", "codec-refined-ideal", "bound-refined"} <= values.keys()
    }
    if not single:
        raise ValueError(
            "gaps need the methods codec-coded, codec-refined-ideal and bound-refined for the "
            "same image and λ: evaluate both models with refinement"
        )
    return _listed(single)


def _of_image(J: dict[str, float], best: float) -> dict[str, float]:
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


def _listed(single: dict[tuple, dict[str, float]]) -> list[Gap]:
    groups: dict[tuple, list[dict[str, float]]] = {}
    out = []
    for (dataset, lmbda, image), values in sorted(single.items()):
        groups.setdefault((dataset, lmbda), []).append(values)
        out += [Gap(dataset, image, lmbda, g, v, None, None) for g, v in values.items()]
    for (dataset, lmbda), images in groups.items():
        for gap in GAPS:
            of_images = [v[gap] for v in images if gap in v]
            if of_images:
                lo, hi = interval(of_images) or (None, None)
                mean = float(np.mean(of_images))
                out.append(Gap(dataset, "mean", lmbda, gap, mean, lo, hi))
    return out


_STEPS = {
    "asymptotic": ("codec-ideal", "codec-coded"),
    "amortization": ("codec-refined-ideal", "codec-ideal"),
    "digitization": ("bound-refined", "codec-refined-ideal"),
    "bound-amortization": ("bound-refined", "bound"),
}


def bd_gaps(rows: Sequence[Row], bound: str | None = None, codec: str | None = None,
            method: str = "pchip") -> dict[tuple[str, str], BDRate]:  # fmt: skip
    """The gaps as BD-rate between the curves they separate, by (data set, gap).

    Per image, then averaged. The modeling gap has no curve of its own here.
    Raises ValueError as :func:`rdbound.analysis.bd_rate.compare`.
    """
    bound, codec = pair(rows, bound, codec)
    curves = from_rows(rows)
    model = {"bound": bound, "codec": codec}
    out = {}
    for dataset in sorted({r.dataset for r in rows}):
        for gap, (lower, upper) in _STEPS.items():
            keys = [(dataset, model[name.split("-")[0]], name) for name in (lower, upper)]
            if all(key in curves for key in keys):
                out[dataset, gap] = compare(curves[keys[0]], curves[keys[1]], method)
    return out


def write_gaps(path: Path, found: Sequence[Gap]) -> None:
    """Write ``gaps.csv``."""
    write_rows(path, tuple(Gap.__dataclass_fields__), [asdict(g) for g in found])
