"""The report of sizes: figures 2 to 5 of Zhang & Liu 2025, of whatever models a table has."""

from collections.abc import Sequence

from rdbound.analysis.model_size import Contrast, Effect, contrasts
from rdbound.report.document import Block, Document, Note, Picture, Section, Table
from rdbound.report.figures.rd import rd_figure
from rdbound.report.figures.scaling import (
    REFINED,
    SIZE_UNIT,
    effects_with_values,
    gain_figure,
    separation_figure,
    size_figure,
)
from rdbound.tables.rd import Row

__all__ = ["observations", "scaling_report"]


def scaling_report(rows: Sequence[Row], found: Sequence[Effect], anchor: str) -> Document:
    """Return table, figures, and the paper's observations compared with them.

    Args:
      rows: rows that the effects were computed from.
      found: effects.
      anchor: name of the anchor of the BD-rates.
    """
    blocks: list[Block] = [_table(found, anchor)]
    for form in ("bound", "codec"):
        if effects_with_values(found, "rate", form=form):
            figure = size_figure(found, form, anchor)
            blocks.append(Picture(figure, f"{form}_by_size", f"BD-rate of the {form} by size"))
    if effects_with_values(found, "gain"):
        blocks.append(Picture(gain_figure(found), "refinement_gain", "What refinement gains"))
    if effects_with_values(found, "gap"):
        blocks.append(Picture(separation_figure(found), "bound_codec_gap", "From bound to codec"))
    curves = Picture(rd_figure(rows), "rd_curve", "PSNR against rate")
    return Document(
        "By size",
        (
            Section("By size", tuple(blocks)),
            Section("Observations of Zhang & Liu 2025", tuple(observations(found))),
            Section("Rate and distortion", (curves,)),
        ),
    )


def _table(found: Sequence[Effect], anchor: str) -> Table:
    heads = {
        ("rate", "bound"): f"bound against {anchor}",
        ("gain", "bound"): "gain, bound",
        ("rate", "codec"): f"codec against {anchor}",
        ("gain", "codec"): "gain, codec",
        ("gap", "both"): "codec against bound",
    }
    cells = {(one.architecture, one.refined, one.effect, one.form): str(one.value) for one in found}
    rows = []
    for name, size in dict.fromkeys((one.architecture, one.size) for one in found):
        for refined in (False, True):
            own = [cells.get((name, refined, *key), "–") for key in heads]
            if set(own) != {"–"}:
                rows.append((name, f"{size:.3g}", REFINED[refined], *own))
    return Table(("architecture", SIZE_UNIT, "variational parameters", *heads.values()), rows)


def observations(found: Sequence[Effect]) -> list[Note]:
    """Return the observations of the paper, each with the result of these models."""
    refined = any(one.refined and one.effect == "rate" for one in found)
    notes = []
    for text, effect, form, less in (
        ("Bounds fall faster with size than codecs", "rate", "bound", "codec"),
        ("Refinement gains of bounds shrink with size", "gain", "bound", None),
        ("Refinement gains of codecs shrink with size", "gain", "codec", None),
        ("The gap between bound and codec widens with size", "gap", "both", None),
    ):
        # A gain is negative: what shrinks rises towards zero.
        expected = -1.0 if effect == "rate" else 1.0
        own = contrasts(found, effect, form, refined or effect == "gain", less)
        results = "; ".join(_result(one, expected) for one in own) or "these models cannot tell"
        notes.append(Note(f"{results}.", text))
    return notes


def _result(one: Contrast, expected: float) -> str:
    number = f"{one.value:+.1f} points from {one.smallest} to {one.largest}"
    if one.interval is None:
        return f"{number} over {one.images} images, too few to tell"
    low, high = one.interval
    verdict = "cannot tell"
    if low * high > 0:  # the interval excludes zero
        verdict = "repeated" if low * expected > 0 else "the opposite"
    return f"{verdict} ({number} [{low:+.1f}, {high:+.1f}], {one.images} images)"
