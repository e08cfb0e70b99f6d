"""Documents as Markdown, which serves the terminal too."""

from collections.abc import Sequence

from rdbound.report.document import Block, Document, Picture, Section, Table

__all__ = ["block_lines", "document_lines", "section_lines"]


def document_lines(document: Document) -> list[str]:
    """Return the lines of ``report.md``."""
    lines = [f"# {document.title}"]
    for section in document.sections:
        lines += ["", *section_lines(section, "## ")]
    return lines


def section_lines(section: Section, mark: str = "") -> list[str]:
    """Return the lines of a section, its title after the ``mark`` of a heading."""
    lines = [f"{mark}{section.title}"] if section.title else []
    for block in section.blocks:
        lines += [*([""] if lines else []), *block_lines(block)]
    return lines


def block_lines(block: Block) -> list[str]:
    """Return the lines of one block."""
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return [f"![{block.caption}]({block.stem}.png)"]
    return [f"**{block.lead}:** {block.text}" if block.lead else block.text]


def _table(table: Table) -> list[str]:
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    rules = ["-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)]
    header, *body = (_line(cells, widths) for cells in (table.header, *table.rows))
    return [header, "|" + "|".join(rules) + "|", *body]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "| " + " | ".join(padded) + " |"
