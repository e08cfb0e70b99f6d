"""The report of an evaluation as files, made from its RD table.

FOLDER/report.md         the report, and its figures
FOLDER/gaps.csv          the gaps, if the rows have any
FOLDER/index.html        the results page, one file
FOLDER/tables/*.tex      LaTeX tables
FOLDER/citations.bib     BibTeX of what was used
"""

from collections.abc import Sequence
from pathlib import Path

from rdbound.analysis.gaps import gaps
from rdbound.analysis.image_sets import even, uneven
from rdbound.checkpoints.checkpoint import zoo
from rdbound.checkpoints.file_format import read_contents
from rdbound.evaluation.reconstructions import Pictures
from rdbound.images.thumbnails import data_address
from rdbound.models import family_citations
from rdbound.report.citations import Citing, citing
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

__all__ = ["cite_run", "report_runs", "run_table", "write_results"]

_ROOM = 480_000  # bytes of all pictures of a page, before base64 adds a third
_LARGEST = 60_000  # bytes of one picture
_FACTS = (CONFIG, PROVENANCE, INPUTS)


def report_runs(runs: Sequence[Path], output: Path | None, anchor: str) -> tuple[Document, Path]:
    """Make report and results page again from the tables of runs.

    Args:
      runs: run folders with an ``rd.csv``, or such tables.
      output: folder of the report; None for the folder of the one run.
      anchor: anchor of the BD-rates.

    Returns:
      The report and its folder.

    Raises:
      ValueError: a run has no table, two rows have one key, there are several runs and no
        ``output``; or as :func:`rdbound.report.sections.rd.rd_report`.
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
    """Return the RD table of a run folder, or ``run`` itself if it is a table."""
    return run / RD_TABLE if run.is_dir() else run


def cite_run(run: Path, anchor: str) -> Citing:
    """Return the sentences and BibTeX entries for a run folder or an RD table."""
    table = read_table(run_table(run))
    rows = even(table, uneven(table))
    return citing(rows, anchor, _model_citations(rows))


def write_results(rows: Sequence[Row], folder: Path, anchor: str, runs: Sequence[Path]) -> Document:
    """Write report, results page, gaps, LaTeX tables and BibTeX; log negative gaps as warnings.

    A method whose images differ between λ, because a row could not be computed, is left out of
    everything, with a note in the report.

    Args:
      rows: rows of one data set.
      folder: folder to write to; files of these names are replaced.
      anchor: anchor of the BD-rates.
      runs: run folders whose reconstructions, configuration and provenance the page shows.

    Returns:
      The report.

    Raises:
      ValueError: a name of a model or an image leads out of a run folder; or as
        :func:`rdbound.report.sections.rd.rd_report`.
    """
    document = rd_report(rows, anchor)
    write_document(document, folder)
    rows = even(rows, uneven(rows))
    if not rows:
        return document  # its notes give the reasons
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
    cited = citing(rows, anchor, _model_citations(rows))
    write_text(folder / "citations.bib", cited.bibtex)
    page = results_page(document, rows, cited, _pictures(rows, runs), _facts(rows, runs))
    write_text(folder / PAGE, page)
    return document


def _gaps(rows: Sequence[Row]) -> list[Gap]:
    """Return the gaps, empty if the rows allow none (the report gives the reason)."""
    try:
        return gaps(rows)
    except ValueError:
        return []


def _model_citations(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Return the BibTeX keys of shipped models; a table tells nothing of the others but a name."""
    shipped = zoo()
    names = dict.fromkeys(row.model for row in rows if row.model in shipped)
    return {name: family_citations(read_contents(shipped[name]).spec["name"]) for name in names}


def _pictures(rows: Sequence[Row], runs: Sequence[Path]) -> list[ShownPicture]:
    """Return the reconstructions of the rows that the runs kept, beside their originals."""
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
            data_address(original, room),
            data_address(file, room),
            f"{row.model}, {row.method}, λ = {row.lmbda:.4g}: {row.bpp:.4f} bpp, {row.psnr:.2f} dB",
        )
        for row, original, file in found
        if original.is_file()
    ]


def _facts(rows: Sequence[Row], runs: Sequence[Path]) -> dict[str, str]:
    """Return configuration and provenance of runs, and the cards of shipped models, by title."""
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
