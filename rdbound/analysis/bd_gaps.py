"""The gaps as BD-rate: what separates two curves at equal quality, in per cent of the lower one.

As in Zhang & Liu 2025 (arXiv 2501.12330); the same gaps in bits are
:mod:`rdbound.analysis.gaps`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.best_known import Best, Key
from rdbound.analysis.curves import from_rows
from rdbound.analysis.gaps import BEST, Chain, links
from rdbound.methods import form_of
from rdbound.tables.rd import Row

__all__ = ["bd_gaps"]


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
