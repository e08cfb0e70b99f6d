"""BD-rate of the curves of a table against an anchor."""

from collections.abc import Sequence

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.curves import anchor_on, from_rows
from rdbound.report.document import Block, Picture, Section, Table
from rdbound.report.figures.bd_rate import bd_rate_figure
from rdbound.tables.rd import Row

__all__ = ["bd_rate_cell", "bd_rate_sections"]


def bd_rate_sections(rows: Sequence[Row], anchor: str) -> tuple[Section, ...]:
    """Return a section with the BD-rate of every curve, none if the anchor lacks the data set.

    A cell gives the reason if a curve has no BD-rate.

    Args:
      rows: rows of one data set.
      anchor: a published curve or a file, see :func:`rdbound.analysis.curves.anchor_on`.

    Raises:
      ValueError: the rows are of several data sets; or as ``anchor_on`` and ``from_rows``.
    """
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) != 1:
        raise ValueError(f"BD-rates are of one data set, not of {', '.join(datasets) or 'none'}")
    base = anchor_on(anchor, datasets[0])
    if base is None:
        return ()
    values = {
        (method, model): compared(base, curve)
        for (_, model, method), curve in from_rows(rows).items()
    }
    header = ("method", "model", f"BD-rate against {base.name}")
    body = tuple((*key, bd_rate_cell(value)) for key, value in values.items())
    blocks: list[Block] = [Table(header, body)]
    drawn = {f"{model} {name}": v for (name, model), v in values.items() if isinstance(v, BDRate)}
    if drawn:
        figure = bd_rate_figure(drawn, base.name)
        blocks.append(Picture(figure, "bd_rate", f"BD-rate against {base.name}"))
    return (Section(f"BD-rate against {base.name}", tuple(blocks)),)


def bd_rate_cell(value: BDRate | str | None) -> str:
    """Return the cell of a BD-rate, or the reason why there is none; None is a dash."""
    if value is None:
        return "–"
    return f"not computed: {value}" if isinstance(value, str) else str(value)
