"""The gaps as BD-rate: what separates two curves at equal quality, in per cent of the lower one.

As in Zhang & Liu 2025 (arXiv 2501.12330); the same gaps in bits are
:mod:`rdbound.analysis.gaps`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rdbound.analysis.bd_rate import BDRate, compare
from rdbound.analysis.best import Best, Key, best_known
from rdbound.analysis.curves import ImageCurves, from_rows
from rdbound.analysis.gaps import REAL, J_by_method, in_squared_error, pair, tells_rounding
from rdbound.tables.rd import Row

__all__ = ["bd_gaps"]

_BEST = ("best", "known")  # model and method of its rows


def _steps(real: str) -> dict[str, tuple[str, str]]:
    """The curve below each gap, which is the anchor of its BD-rate, and the one above.

    ``real`` is the 8-bit curve itself where the rounding of the output is not told apart.
    """
    return {
        "asymptotic": ("codec-ideal", "codec-coded"),
        "amortization": ("codec-refined-ideal", "codec-ideal"),
        "output-rounding": (real, "codec-refined-ideal"),
        "digitization": ("bound-refined", real),
        "modeling": (_BEST[1], "bound-refined"),
        "total": (_BEST[1], "codec-coded"),
        "bound-amortization": ("bound-refined", "bound"),
    }


def bd_gaps(
    rows: Sequence[Row],
    bound: str | None = None,
    codec: str | None = None,
    method: str = "pchip",
) -> dict[tuple[str, str], BDRate | str]:
    """The gaps as BD-rate between the curves they separate, by (data set, gap).

    Per image, then averaged. The best curve of an image is of the points that J_best is
    attained at (:mod:`rdbound.analysis.best`), at each λ of the refined bound: corners of the
    lower convex hull of every point known, or (R, D) on the exact curve where theory has it.
    A point that is the best at several λ is one point of the curve.

    Args:
      rows: of one or several data sets.
      bound: name of the bound's model, where ``rows`` hold several.
      codec: name of the codec's model, where ``rows`` hold several.
      method: of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    A sentence in the place of a value says why two curves have none (where
    :func:`rdbound.analysis.bd_rate.compare` refuses them). Raises ValueError as
    :func:`pair` and :func:`in_squared_error`.
    """
    names = pair(rows, bound, codec)
    J = J_by_method(rows, *names)
    steps = _steps(REAL if tells_rounding(J) else "codec-refined-ideal")
    used = {name for step in steps.values() for name in step}
    own = [r for r in rows if r.model in names and r.method in used]
    wanted = [key for key, values in J.items() if "bound-refined" in values]
    best = best_known(rows, wanted, in_squared_error(rows, *names))
    curves = {
        (key[0], key[2]): curve for key, curve in from_rows(own + _best_rows(rows, best)).items()
    }
    return {
        (dataset, gap): _value(curves[dataset, lower], curves[dataset, upper], method)
        for dataset in sorted({r.dataset for r in rows})
        for gap, (lower, upper) in steps.items()
        if lower != upper and {(dataset, lower), (dataset, upper)} <= curves.keys()
    }


def _value(lower: ImageCurves, upper: ImageCurves, method: str) -> BDRate | str:
    try:
        return compare(lower, upper, method)
    except ValueError as error:
        return str(error)


def _best_rows(rows: Sequence[Row], best: Mapping[Key, Best]) -> list[Row]:
    """The best points as rows of a method of their own."""
    first = rows[0]
    return [
        replace(first, dataset=dataset, image=image, lmbda=lmbda, model=_BEST[0], method=_BEST[1],
                bpp=point.bpp, mse=point.mse, psnr=point.psnr, J=J)
        for (dataset, lmbda, image), (J, point) in best.items()
    ]  # fmt: skip
