"""BD-rate of the curves of a table against an anchor."""

from collections.abc import Sequence

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.curves import anchor_on, from_rows
from rdbound.report.document import Section, Table
from rdbound.tables.rd import Row

__all__ = ["bd_rate_cell", "bd_rate_sections"]


def bd_rate_sections(
    rows: Sequence[Row], anchor: str, method: str = "pchip"
) -> tuple[Section, ...]:
    """A section with every curve of a table against an anchor, published or of a file.

    None where the anchor is published on other data sets; a cell says why where a curve has
    no BD-rate. Raises ValueError for rows of several data sets, and as
    :func:`rdbound.analysis.curves.anchor_on` and ``from_rows`` there.
    """
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) != 1:
        raise ValueError(f"BD-rates are of one data set, not of {', '.join(datasets) or 'none'}")
    base = anchor_on(anchor, datasets[0])
    if base is None:
        return ()
    body = tuple(
        (name, model, bd_rate_cell(compared(base, curve, method)))
        for (_, model, name), curve in from_rows(rows).items()
    )
    header = ("method", "model", f"BD-rate against {base.name}")
    return (Section(f"BD-rate against {base.name}", (Table(header, body),)),)


def bd_rate_cell(value: BDRate | str | None) -> str:
    """A value of a table of BD-rates, or why there is none; None is a dash."""
    if value is None:
        return "–"
    return f"not computed: {value}" if isinstance(value, str) else str(value)
