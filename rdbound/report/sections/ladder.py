"""The ladder in a report: what each rung costs over the bound, in bits and as BD-rate."""

from collections.abc import Sequence

from rdbound.analysis.channel_ladder import Rung, ladder
from rdbound.methods import roles
from rdbound.report.document import Block, Note, Picture, Section, Table
from rdbound.report.figures.ladder import ladder_figure
from rdbound.report.sections.bd_rate import bd_rate_cell
from rdbound.tables.rd import Row

__all__ = ["ladder_section"]

_NOTE = Note(
    "Digitization is J of the rung's ideal rates less J of the bound, asymptotic its bytes "
    "(whole files; of bits-back less the side information) less its ideal. A refined rung stands "
    "against the refined bound if the table has one. Rungs put out 8 bits, the bound real values: "
    "about λ/12 of the digitization of each is the rounding of its output."
)


def ladder_section(rows: Sequence[Row], bound: str | None = None, method: str = "pchip") -> Section:
    """Return two tables and a figure of the ladder.

    Args:
      rows: rows of one data set.
      bound: name of the bound's model; the only one by default.
      method: interpolation, of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Raises:
      ValueError: see :func:`rdbound.analysis.channel_ladder.ladder`.
    """
    rungs = ladder(rows, bound, method)
    bounds = roles({r.method for r in rows})["bound"]
    images = len({r.image for r in rows if r.method == bounds})
    blocks: tuple[Block, ...] = (
        _bits(rungs),
        _bd_rates(rungs),
        _NOTE,
        Picture(ladder_figure(rungs, images), "ladder", "What each rung costs over the bound"),
    )
    return Section("The ladder, from the bound to bytes", blocks)


def _bits(rungs: Sequence[Rung]) -> Table:
    header = ("rung", "model", "λ", "J", "digitization", "asymptotic")
    rows = [
        (
            r.method,
            r.model,
            f"{lmbda:.4g}",
            f"{J:.4f}",
            str(r.digitization[lmbda]),
            str(r.asymptotic.get(lmbda, "–")),
        )
        for r in rungs
        for lmbda, J in r.J.items()
    ]
    return Table(header, rows)


def _bd_rates(rungs: Sequence[Rung]) -> Table:
    header = ("rung (BD-rate)", "model", "against", "digitization", "asymptotic")
    rows = [
        (
            r.method,
            r.model,
            r.against,
            bd_rate_cell(r.bd_digitization),
            bd_rate_cell(r.bd_asymptotic),
        )
        for r in rungs
        if r.method != r.against
    ]
    return Table(header, rows)
