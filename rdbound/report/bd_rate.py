"""BD-rate of the curves of a table against a published one."""

from collections.abc import Sequence

from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import ImageCurves, from_reference, from_rows
from rdbound.reference import curves, find_curve
from rdbound.report.document import Section, Table
from rdbound.tables.rd import Row

__all__ = ["bd_rate_sections"]


def bd_rate_sections(
    rows: Sequence[Row], anchor: str, method: str = "pchip"
) -> tuple[Section, ...]:
    """A section with every curve of a table against a shipped anchor.

    None where the anchor, or any reference, is not known on the data set; a cell
    says why where a curve has no BD-rate. Raises ValueError for rows of several
    data sets, and as :func:`rdbound.analysis.curves.from_rows`.
    """
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) != 1:
        raise ValueError(f"BD-rates are of one data set, not of {', '.join(datasets) or 'none'}")
    if not any(key[:2] == (datasets[0], anchor) for key in curves()):
        return ()
    base = from_reference(find_curve(datasets[0], anchor))
    body = tuple(
        (name, model, _value(base, curve, method))
        for (_, model, name), curve in from_rows(rows).items()
    )
    header = ("method", "model", f"BD-rate against {base.name}")
    return (Section(f"BD-rate against {base.name}", (Table(header, body),)),)


def _value(base: ImageCurves, curve: ImageCurves, method: str) -> str:
    try:
        return str(compare(base, curve, method))
    except ValueError as error:
        return f"not computed: {error}"
