"""Tables as text: for the terminal and for ``report.md``."""

from collections.abc import Sequence

import numpy as np

from rdbound.analysis.bd_rate import BDRate
from rdbound.analysis.gaps import GAPS, Gap
from rdbound.tables.answers import Answer
from rdbound.tables.rd import METHODS, Row

__all__ = [
    "answer_lines",
    "approximation_lines",
    "bd_lines",
    "gap_lines",
    "markdown_table",
    "modeling_note",
    "rd_lines",
]


def markdown_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Lines of an aligned Markdown table; numbers to the right."""
    widths = [max(len(str(c)) for c in column) for column in zip(header, *body, strict=True)]

    def line(cells):
        return "| " + " | ".join(
            str(c).ljust(w) if i == 0 else str(c).rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ) + " |"  # fmt: skip

    rule = "|" + "|".join(
        ("-" * (w + 2)) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)
    ) + "|"  # fmt: skip
    return [line(header), rule, *(line(row) for row in body)]


def rd_lines(rows: Sequence[Row]) -> list[str]:
    """Means over images by model, method and λ."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault((row.dataset, row.method, row.model, row.lmbda), []).append(row)
    body = []
    for (dataset, method, model, lmbda), group in sorted(groups.items(), key=_order):
        body.append(
            [
                method,
                model,
                dataset,
                f"{lmbda:.4g}",
                f"{_mean(group, 'bpp'):.4f}",
                f"{_mean(group, 'psnr'):.2f}",
                f"{_mean(group, 'mse'):.2f}",
                _ssim(group),
                f"{_mean(group, 'J'):.4f}",
                str(len(group)),
            ]
        )
    header = ["method", "model", "data", "λ", "bpp", "PSNR", "MSE", "MS-SSIM", "J", "images"]
    return markdown_table(header, body)


def _order(item) -> tuple:
    (dataset, method, model, lmbda), _ = item
    place = METHODS.index(method) if method in METHODS else len(METHODS)
    return dataset, place, method, model, lmbda


def _mean(rows: Sequence[Row], column: str) -> float:
    return float(np.mean([getattr(r, column) for r in rows]))


def _ssim(rows: Sequence[Row]) -> str:
    values = [r.ms_ssim for r in rows if r.ms_ssim is not None]
    return f"{np.mean(values):.4f}" if values else "–"


def gap_lines(gaps: Sequence[Gap]) -> list[str]:
    """The mean gaps in bits per pixel, one row a gap, one column a λ."""
    means = [g for g in gaps if g.image == "mean"]
    lmbdas = sorted({g.lmbda for g in means})
    cells = {(g.gap, g.lmbda): _with_interval(g) for g in means}
    body = [
        [gap, *(cells.get((gap, lmbda), "–") for lmbda in lmbdas)]
        for gap in GAPS
        if any((gap, lmbda) in cells for lmbda in lmbdas)
    ]
    return markdown_table(["gap (bpp)", *(f"λ = {lmbda:.4g}" for lmbda in lmbdas)], body)


def _with_interval(gap: Gap) -> str:
    if gap.lo is None:
        return f"{gap.value:+.4f}"
    return f"{gap.value:+.4f} [{gap.lo:+.4f}, {gap.hi:+.4f}]"


def modeling_note(gaps: Sequence[Gap]) -> str:
    """What the modeling gap means here, in words."""
    values = [g.value for g in gaps if g.gap == "modeling" and g.image == "mean"]
    if all(v == 0 for v in values):
        return (
            "The modeling gap is 0 because this bound is itself the best one known here; "
            "nobody knows R(D) of photographs, and the true gap is larger."
        )
    return (
        "The modeling gap is measured against the best bound known, not against R(D), which "
        "nobody knows for photographs: it is a lower limit."
    )


def bd_lines(gaps: dict[tuple[str, str], BDRate]) -> list[str]:
    """The gaps as BD-rate."""
    body = [[gap, dataset, str(value)] for (dataset, gap), value in gaps.items()]
    return markdown_table(["gap (BD-rate)", "data", "value, 95 % over images"], body)


def answer_lines(answers: Sequence[Answer]) -> list[str]:
    """Known answers in bits per dimension, errors also in standard errors; then statuses."""

    def cell(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    body = [
        [
            a.source,
            a.method,
            a.kind,
            f"{a.lmbda:.4g}",
            f"{a.rate:.5f}",
            f"{a.distortion:.5g}",
            f"{a.J:.5f}",
            cell(a.exact_rate, ".5f"),
            cell(a.error, "+.2e"),
            cell(a.standard_errors, "+.1f"),
            f"{a.seconds:.1f}",
        ]
        for a in answers
    ]
    header = [
        "source",
        "method",
        "kind",
        "λ",
        "R",
        "D",
        "J",
        "exact R(D)",
        "error in J",
        "in s.e.",
        "s",
    ]
    notes = [f"{a.source}: {a.method}, λ = {a.lmbda:.4g}: {a.status}" for a in answers if a.status]
    return [*markdown_table(header, body), *(["", *notes] if notes else [])]


def approximation_lines(gaps: Sequence[Gap]) -> list[str]:
    """Approximation gaps in bits per dimension, a row each."""
    body = [[g.dataset, g.gap, f"{g.lmbda:.4g}", _with_interval(g)] for g in gaps]
    return markdown_table(["source", "gap", "λ", "bits per dimension [95 %]"], body)
