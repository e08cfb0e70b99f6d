"""What every evaluation leaves to be read, shown and cited, made of its table.

FOLDER/report.md, and its figures
FOLDER/gaps.csv          where the rows allow it
FOLDER/index.html        the same to look at, in one file
FOLDER/tables/*.tex      for a paper
FOLDER/citations.bib     whom to cite for what was used
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from rdbound.analysis.gaps import gaps
from rdbound.analysis.image_sets import even, uneven
from rdbound.checkpoints.checkpoint import zoo
from rdbound.evaluation.reconstructions import Pictures
from rdbound.report.citations import citing
from rdbound.report.document import Document
from rdbound.report.html import ShownPicture, results_page
from rdbound.report.latex import bd_rate_latex, gap_latex, rd_latex
from rdbound.report.sections.gaps import negative_notes
from rdbound.report.sections.rd import rd_report
from rdbound.report.write import write_document
from rdbound.runs.run_folder import CONFIG, GAP_TABLE, INPUTS, PAGE, PICTURES, PROVENANCE, RD_TABLE
from rdbound.tables.gaps import Gap, write_gaps
from rdbound.tables.rd import Row, check_unique, read_table
from rdbound.utils.atomic_files import write_text
from rdbound.utils.progress import LOG

__all__ = ["report_runs", "run_table", "write_results"]

_ROOM = 480_000  # bytes of all pictures of a page, before base64 adds a third
_LARGEST = 60_000  # of one
_FACTS = (CONFIG, PROVENANCE, INPUTS)


def report_runs(runs: Sequence[Path], output: Path | None, anchor: str) -> tuple[Document, Path]:
    """Make reports and page again from the tables of runs; returns the report and its folder.

    Args:
      runs: folders with an ``rd.csv``, or such tables.
      output: the folder; the run's own where there is one run and this is None.
      anchor: of BD-rates.

    Raises ValueError for a run without its table, for two rows of one key, for several runs
    without ``output``, and as :func:`rdbound.report.sections.rd.rd_report`.
    """
    tables = [run_table(run) for run in runs]
    rows = [row for table in tables for row in read_table(table)]
    check_unique(rows, "these runs")
    folders = [table.parent for table in tables]
    if output is None:
        if len(tables) > 1:
            raise ValueError("several runs need --output FOLDER for their common report")
        output = folders[0]
    return write_results(rows, output, anchor, folders), output


def run_table(run: Path) -> Path:
    """The RD table of a run's folder, or the table that ``run`` is."""
    return run / RD_TABLE if run.is_dir() else run


def write_results(rows: Sequence[Row], folder: Path, anchor: str, runs: Sequence[Path]) -> Document:
    """Write all of the above into ``folder``; returns the report.

    Args:
      rows: of one data set.
      folder: made where it is not there; files of these names are replaced.
      anchor: of BD-rates.
      runs: folders whose pictures and provenance the page shows.

    Negative gaps are warned of. Methods whose images differ between λ, since a row could not be
    computed, are left out of everything and told in the report. Raises ValueError as
    :func:`rdbound.report.sections.rd.rd_report`, and for names that lead out of the runs' folders.
    """
    document = rd_report(rows, anchor)
    write_document(document, folder)
    rows = even(rows, uneven(rows))
    if not rows:
        return document  # it says what is left out, and why
    found = _gaps(rows)
    if found:
        write_gaps(folder / GAP_TABLE, found)
    for note in negative_notes(found):
        LOG.warning(note)
    tables = {
        "rd": rd_latex(rows),
        "bd_rate": bd_rate_latex(rows, anchor),
        "gaps": gap_latex(found),
    }
    (folder / "tables").mkdir(exist_ok=True)
    for name, text in tables.items():
        if text is not None:
            write_text(folder / "tables" / f"{name}.tex", text)
    cited = citing(rows, anchor)
    write_text(folder / "citations.bib", cited.bibtex)
    page = results_page(
        document, rows, found, anchor, cited, _pictures(rows, runs), _facts(rows, runs)
    )
    write_text(folder / PAGE, page)
    return document


def _gaps(rows: Sequence[Row]) -> list[Gap]:
    """None where the rows allow none; the report says why."""
    try:
        return gaps(rows)
    except ValueError:
        return []


def _pictures(rows: Sequence[Row], runs: Sequence[Path]) -> list[ShownPicture]:
    """Those that the runs kept of the rows."""
    found = []
    for run in runs:
        kept = Pictures(run / PICTURES, frozenset())
        for row in rows:
            file = kept.decoded(row.model, row.method, row.image, row.lmbda)
            if file.is_file():
                found.append((row, kept.original(row.image), file))
    room = min(_LARGEST, _ROOM // max(1, 2 * len(found)))
    return [
        ShownPicture(
            row.image,
            _address(original, room),
            _address(file, room),
            f"{row.model}, {row.method}, λ = {row.lmbda:.4g}: {row.bpp:.4f} bpp, {row.psnr:.2f} dB",
        )
        for row, original, file in found
        if original.is_file()
    ]


def _address(file: Path, room: int) -> str:
    """A picture within the page, reduced until it takes no more bytes than there is room for."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    while True:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=80)
        if len(buffer.getvalue()) <= room or min(image.size) < 32:
            break
        width, height = (max(1, round(0.8 * side)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _facts(rows: Sequence[Row], runs: Sequence[Path]) -> dict[str, str]:
    """What runs were given and ran with, and the cards of the checkpoints that are shipped."""
    found = {}
    for run in runs:
        for name in _FACTS:
            if (run / name).is_file():
                found[f"{run.name}/{name}"] = (run / name).read_text(encoding="utf-8")
    shipped = zoo()
    for model in dict.fromkeys(row.model for row in rows):
        if model in shipped:
            card = shipped[model].with_suffix(".md")
            found[f"card of {model}"] = card.read_text(encoding="utf-8")
    return found
