r"""Tables and sentences for a paper: booktabs rules, siunitx columns, captions with conventions.

They need ``\usepackage{booktabs,siunitx}``.
"""

import re
from collections.abc import Mapping, Sequence

from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import anchor_on, from_rows
from rdbound.analysis.gaps import definitions
from rdbound.methods import kind_of, label_of, method_order
from rdbound.report.document import Formula, Sentence
from rdbound.report.wording import distortion_words, mse_words, words_of
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN, Row

__all__ = ["bd_rate_latex", "escaped", "gap_latex", "rd_latex", "sentence_latex"]

_MARKS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
}
_LETTERS = {"λ": r"$\lambda$", "–": "--", "→": r"$\to$", "σ": r"$\sigma$", "\u202f": r"\,"}
_SYMBOLS = {"λ": r"\lambda ", "%": r"\%", "\u202f": r"\,"}


def escaped(text: str) -> str:
    """Return text as LaTeX source."""
    return _replaced(text, _MARKS | _LETTERS)


def sentence_latex(sentence: Sentence) -> str:
    """Return a sentence as LaTeX source, formulas between dollar signs."""
    return "".join(
        f"${_replaced(part, _SYMBOLS).strip()}$" if isinstance(part, Formula) else escaped(part)
        for part in sentence
    )


def _replaced(text: str, marks: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, marks)), lambda found: marks[found.group()], text)


def rd_latex(rows: Sequence[Row]) -> str:
    """Return the table of means over images by method, model and λ, of one data set."""
    groups: dict[tuple[int, str, str, float], list[Row]] = {}
    for row in rows:
        if kind_of(row.method) != "floor":
            place = (method_order(row.method), row.method, row.model, row.lmbda)
            groups.setdefault(place, []).append(row)
    body = []
    for (_, method, model, lmbda), own in sorted(groups.items()):
        bpp, psnr, mse, J = (
            sum(getattr(r, name) for r in own) / len(own) for name in ("bpp", "psnr", "mse", "J")
        )
        similar = [r.ms_ssim for r in own if r.ms_ssim is not None]
        body.append(
            (
                escaped(label_of(method)),
                escaped(model),
                f"{lmbda:.4g}",
                f"{bpp:.4f}",
                f"{psnr:.2f}",
                mse_words(mse),
                f"{J:.4f}",
                f"{sum(similar) / len(similar):.4f}" if similar else "{--}",
            )
        )
    shown = [row for group in groups.values() for row in group]
    words = words_of(row.image for row in rows)
    over = " and MSE on 0--255, both over RGB" if words.unit == "pixel" else ""
    count = words.counted(len({row.image for row in rows}))
    caption = (
        f"Rate and distortion on {escaped(rows[0].dataset)}, means over {count}: rates in bits "
        f"per {words.unit}, PSNR in dB{over}, $J = R + \\lambda D$ with $D$ "
        f"{escaped(distortion_words(shown))}."
    )
    head = ("method", "model", r"{$\lambda$}", "{rate}", "{PSNR}", "{MSE}", "{$J$}", "{MS-SSIM}")
    return _table("llSSSSSS", head, body, caption, "rd")


def bd_rate_latex(rows: Sequence[Row], anchor: str) -> str | None:
    """Return the table of BD-rates; None if the anchor is not known on the data set."""
    base = anchor_on(anchor, rows[0].dataset) if rows else None
    if base is None:
        return None
    body, images = [], set()
    for (_, model, method), curve in from_rows(rows).items():
        try:
            value = compare(base, curve)
        except ValueError:
            continue
        images.add(len(value.images) or None)
        low, high = value.interval or (None, None)
        ends = ("{--}" if v is None else f"{v:+.2f}" for v in (low, high))
        body.append((escaped(label_of(method)), escaped(model), f"{value.value:+.2f}", *ends))
    if not body:
        return None
    of = " and ".join(str(n) for n in sorted(n for n in images if n))
    over = f"per image and averaged over {of}" if of else "of means over images"
    caption = (
        f"BD-rate in per cent against {escaped(base.name)} on {escaped(rows[0].dataset)}, by PSNR "
        f"over RGB, {over}, with 95\\,\\% intervals over images (PCHIP interpolation)."
    )
    head = ("method", "model", r"{BD-rate (\%)}", "{low}", "{high}")
    return _table("llSSS", head, body, caption, "bd-rate")


def gap_latex(gaps: Sequence[Gap]) -> str | None:
    """Return the table of mean gaps by λ, in bits; None if there are no gaps."""
    means = {(g.gap, g.lmbda): g for g in gaps if g.image == MEAN}
    lmbdas = sorted({lmbda for _, lmbda in means})
    if not lmbdas:
        return None
    body = [
        (name, *(_value(means.get((name, lmbda))) for lmbda in lmbdas))
        for name in dict.fromkeys(gap.name for gap in definitions())
        if any((name, lmbda) in means for lmbda in lmbdas)
    ]
    words = words_of(g.image for g in gaps)
    count = words.counted(len({g.image for g in gaps} - {MEAN}))
    caption = (
        f"Gaps in $J$ (bits per {words.unit}) on {escaped(gaps[0].dataset)}, means over {count}, "
        "after Zhang and Liu (2025)."
    )
    head = ("gap", *(f"{{$\\lambda = {lmbda:.4g}$}}" for lmbda in lmbdas))
    return _table("l" + "S" * len(lmbdas), head, body, caption, "gaps")


def _value(gap: Gap | None) -> str:
    return "{--}" if gap is None else f"{gap.value:+.4f}"


def _table(
    columns: str, head: Sequence[str], body: Sequence[Sequence[str]], caption: str, label: str
) -> str:
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{caption}}}",
        f"  \\label{{tab:{label}}}",
        f"  \\begin{{tabular}}{{{_columns(columns, body)}}}",
        r"    \toprule",
        f"    {' & '.join(head)} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(cells)} \\\\" for cells in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _columns(columns: str, body: Sequence[Sequence[str]]) -> str:
    """Return the columns, each ``S`` with the digits that its numbers need."""
    found = []
    for place, column in enumerate(columns):
        if column != "S":
            found.append(column)
            continue
        cells = [cells[place] for cells in body if not cells[place].startswith("{")]
        whole = max((len(c.partition(".")[0].lstrip("+-")) for c in cells), default=1)
        part = max((len(c.partition(".")[2]) for c in cells), default=0)
        sign = "+" if any(c[0] in "+-" for c in cells) else ""
        kept = ", retain-explicit-plus" if sign else ""
        found.append(f"S[table-format={sign}{whole}.{part}{kept}]")
    return "".join(found)
