"""The gaps as BD-rate: what separates two curves at equal quality, in per cent of the lower one.

As in Zhang & Liu 2025 (arXiv 2501.12330); the same gaps in bits are
:mod:`rdbound.analysis.gaps`.
"""

from collections.abc import Sequence

from rdbound.analysis.bd_rate import BDRate, compare
from rdbound.analysis.curves import from_rows
from rdbound.analysis.gaps import pair
from rdbound.methods import METHODS
from rdbound.tables.rd import Row

__all__ = ["bd_gaps"]

_STEPS = {
    "asymptotic": ("codec-ideal", "codec-coded"),
    "amortization": ("codec-refined-ideal", "codec-ideal"),
    "digitization": ("bound-refined", "codec-refined-ideal"),
    "bound-amortization": ("bound-refined", "bound"),
}
"""The curve below a gap, which is the anchor of its BD-rate, and the one above."""


def bd_gaps(
    rows: Sequence[Row],
    bound: str | None = None,
    codec: str | None = None,
    method: str = "pchip",
) -> dict[tuple[str, str], BDRate]:
    """The gaps as BD-rate between the curves they separate, by (data set, gap).

    Per image, then averaged. The modeling gap has no curve of its own here.

    Args:
      rows: of one or several data sets.
      bound: name of the bound's model, where ``rows`` hold several.
      codec: name of the codec's model, where ``rows`` hold several.
      method: of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Raises ValueError as :func:`pair` and :func:`rdbound.analysis.bd_rate.compare`.
    """
    models = dict(zip(("bound", "codec"), pair(rows, bound, codec), strict=True))
    curves = from_rows(rows)
    out = {}
    for dataset in sorted({r.dataset for r in rows}):
        for gap, names in _STEPS.items():
            lower, upper = ((dataset, models[METHODS[n].form or ""], n) for n in names)
            if lower in curves and upper in curves:
                out[dataset, gap] = compare(curves[lower], curves[upper], method)
    return out
