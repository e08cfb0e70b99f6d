"""What a report is, whatever it is rendered as: sections of tables, notes and pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

__all__ = ["Block", "Document", "Note", "Picture", "Section", "Table"]


@dataclass(frozen=True)
class Table:
    """Cells as text: the first column is aligned to the left, the others to the right.

    Raises ValueError for a row of another length than the header.
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
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A figure, saved beside the report in files called ``stem``."""

    figure: Figure
    stem: str
    caption: str


Block = Table | Note | Picture


@dataclass(frozen=True)
class Section:
    """Blocks under a title; an empty one is not shown."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """Sections under a title."""

    title: str
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> Iterator[Picture]:
        """Those of all sections."""
        return (b for s in self.sections for b in s.blocks if isinstance(b, Picture))
