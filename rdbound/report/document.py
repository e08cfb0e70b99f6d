"""What a report is, however it is rendered: sections of tables, notes and pictures.

Text is Unicode (``λ``, ``–``; a narrow no-break space between a number and its unit). Renderers
turn it into Markdown, HTML or LaTeX.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

__all__ = ["Block", "Document", "Formula", "Note", "Picture", "Section", "Sentence", "Table"]


class Formula(str):
    """A part of a sentence that is mathematics: ``R + λD``, or a signed number."""

    __slots__ = ()


Sentence = tuple[str, ...]
"""Consecutive parts of a sentence, text and :class:`Formula`."""


@dataclass(frozen=True)
class Table:
    """Cells as text: the first column is aligned to the left, the others to the right.

    Raises:
      ValueError: a row has another length than the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"a table of {len(self.header)} columns has no place for the row {list(row)}"
                )


@dataclass(frozen=True)
class Note:
    """A paragraph; ``lead`` is emphasized before it and a colon."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure, saved beside the report in files called ``stem``."""

    figure: Figure
    stem: str
    caption: str


Block = Table | Note | Picture


@dataclass(frozen=True)
class Section:
    """Blocks under a title; an empty title is not shown."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """Sections under a title."""

    title: str
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> Iterator[Picture]:
        """The pictures of all sections."""
        return (b for s in self.sections for b in s.blocks if isinstance(b, Picture))
