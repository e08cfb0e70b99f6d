"""The report of a model's channels: which are used, which have collapsed, and their rates."""

from collections.abc import Sequence

from rdbound.report.document import Block, Document, Note, Picture, Section, Table
from rdbound.report.figures.channels import DrawnChannel, bits_figure, densities_figure
from rdbound.tables.channels import ChannelUse

__all__ = ["channels_report", "shown_channels"]

_COLLAPSED = 40  # channels that a note names
_NOTE = Note(
    "KL is the rate of the bound. A channel is active where the data move its mean: the mean of "
    "((μ − μ̂)/σ̂)² is above 0.01 (after Burda et al. 2016, with the prior's scale for 1). A level's "
    "noise is the geometric mean of (σ/σ̂)² over its channels; a channel of 1 conveys nothing."
)
_CODES_NOTE = Note(
    "Code points and the grid have the same Σ error²/σ². The code points are those of penalty ln 2 "
    "by the model's prior, coded by tables of other images. The grid has one step for all channels "
    "and an ideal code for each channel, whose rate is estimated from these very latents (Miller & "
    "Madow): it is too low for fewer than a few hundred latents a channel; use more images then."
)


def channels_report(
    title: str, uses: Sequence[ChannelUse], drawn: Sequence[DrawnChannel]
) -> Document:
    """Return the report of a model's channels: levels, channels by their KL, and two figures.

    Args:
      title: title of the report.
      uses: every channel of every level.
      drawn: channels whose densities are shown.
    """
    levels: tuple[Block, ...] = (
        _levels(uses),
        _NOTE,
        _CODES_NOTE,
        Note(_collapsed(uses)),
        Picture(bits_figure(uses), "channels", "What each channel costs, by its KL"),
    )
    shown = Picture(densities_figure(drawn), "densities", "Prior and aggregate posterior")
    return Document(
        title,
        (
            Section("Levels", levels),
            Section("Channels", (_channels([d.use for d in drawn]), shown)),
        ),
    )


def shown_channels(uses: Sequence[ChannelUse]) -> list[ChannelUse]:
    """Return four channels, from most to least KL, of each of the two levels with most KL."""
    by_level: dict[int, list[ChannelUse]] = {}
    for use in uses:
        by_level.setdefault(use.level, []).append(use)
    largest = sorted(by_level, key=lambda level: -sum(use.kl for use in by_level[level]))[:2]
    shown = []
    for level in sorted(largest):
        ranked = sorted(by_level[level], key=lambda use: -use.kl)
        places = [round(part * (len(ranked) - 1)) for part in (0.0, 0.1, 0.35, 1.0)]
        shown += [ranked[place] for place in dict.fromkeys(places)]
    return shown


def _levels(uses: Sequence[ChannelUse]) -> Table:
    rows = []
    for level in sorted({use.level for use in uses}):
        own = [use for use in uses if use.level == level]
        product = 1.0
        for use in own:
            product *= max(use.noise, 1e-30) ** (1 / len(own))
        rows.append(
            (
                str(level),
                str(len(own)),
                str(sum(use.active for use in own)),
                f"{sum(u.kl for u in own):.4f}",
                f"{product:.3f}",
                _sum([u.points for u in own]),
                _sum([u.grid for u in own]),
            )
        )
    header = ("level", "channels", "active", "KL, bpp", "noise", "code points, bpp", "grid, bpp")
    return Table(header, rows)


def _channels(uses: Sequence[ChannelUse]) -> Table:
    rows = [
        (
            f"{u.level}/{u.channel}",
            f"{u.kl / u.share:.4f}",
            f"{u.offset:.4f}",
            f"{u.noise:.4f}",
            "–" if u.points is None else f"{u.points / u.share:.4f}",
            f"{u.grid / u.share:.4f}",
        )
        for u in uses
    ]
    header = ("level/channel", "KL, bits an element", "offset", "noise", "code points", "grid")
    return Table(header, rows)


def _sum(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known):.4f}" if len(known) == len(values) else "–"


def _collapsed(uses: Sequence[ChannelUse]) -> str:
    names = [f"{use.level}/{use.channel}" for use in uses if not use.active]
    if not names:
        return "No channel has collapsed."
    more = f" and {len(names) - _COLLAPSED} more" if len(names) > _COLLAPSED else ""
    noun = "channels have" if len(names) > 1 else "channel has"
    return f"{len(names)} {noun} collapsed (level/channel): {', '.join(names[:_COLLAPSED])}{more}."
