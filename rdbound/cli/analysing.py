"""Commands that read tables, or tell what a checkpoint's channels do."""

from pathlib import Path

from rdbound.cli.cost import cost_of
from rdbound.cli.settings import add_device
from rdbound.cli.shared import Command, add_anchor, add_lmbda, add_method, add_model, at_least

__all__ = ["add_analysing"]


def add_analysing(command: Command) -> None:
    """report, cite, gaps, scaling, bd-rate, codecs, channels."""
    sub = command("report", _report, "reports, results page and LaTeX tables again, of runs")
    sub.add_argument("runs", nargs="+", help="folders with an rd.csv, or such tables")
    sub.add_argument("--output", help="folder; default: that of the one run")
    add_anchor(sub)
    sub = command("cite", _cite, "a sentence for a paper and the BibTeX of what a run used")
    sub.add_argument("table", nargs="?", metavar="RUN", help="folder with an rd.csv, or a table")
    add_anchor(sub)
    sub = command("gaps", _gaps, "the gaps of RD tables")
    sub.add_argument("tables", nargs="+", help="rd.csv files")
    sub.add_argument("--output", required=True, help="folder for gaps.csv and its figure")
    sub.add_argument("--bound", help="name of the bound's model, where the tables hold several")
    sub.add_argument("--codec", help="name of the codec's model, where the tables hold several")
    add_method(sub)
    sub = command("scaling", _scaling, "bounds, codecs and gaps of RD tables by model size")
    sub.add_argument("tables", nargs="+", help="rd.csv files")
    sub.add_argument("--output", required=True, help="folder for the report and its figures")
    add_anchor(sub)
    add_method(sub)
    sub = command("bd-rate", _bd_rate, "BD-rate of curves against an anchor")
    sub.add_argument(
        "curves",
        nargs="+",
        metavar="CURVE",
        help="an RD table, TABLE.csv:METHOD, a CSV: bpp, psnr [, image | images], "
        "or the name of a published curve",
    )
    add_anchor(sub)
    sub.add_argument(
        "--metric", default="psnr", choices=("psnr", "ms-ssim"), help="of quality; default: psnr"
    )
    sub.add_argument("--plot", metavar="FILE", help="draw the curves into a .png, .pdf or .svg")
    sub.add_argument("--force", action="store_true", help="overwrite the drawing")
    sub.add_argument("--dataset", default="kodak", help="default: kodak")
    sub.add_argument(
        "--images", type=at_least(1), metavar="N", help="over how many images a CSV of means is"
    )
    sub.add_argument(
        "--unequal-means",
        action="store_true",
        help="compare means over different, or unknown, images",
    )
    add_method(sub)
    sub = command(
        "codecs", _codecs, "an RD table of classical codecs, or of your own by its command"
    )
    sub.add_argument("images", help="folder or file, kodak, bundled, or tfds:NAME")
    sub.add_argument(
        "--codec",
        nargs="+",
        default=None,
        metavar="NAME",
        help="of jpeg, jpeg-444, webp, avif, avif-444, jpeg2000, jxl, vvc; default: "
        "jpeg webp avif jpeg2000, or none beside --encoder",
    )
    sub.add_argument(
        "--encoder",
        metavar="COMMAND",
        help="yours: 'myenc -q {quality} {input} {output}', input a PNG",
    )
    sub.add_argument(
        "--decoder", metavar="COMMAND", help="of it: 'mydec {input} {output}', output a PNG"
    )
    sub.add_argument("--name", default="mine", help="of it in tables; default: mine")
    sub.add_argument(
        "--settings",
        nargs="+",
        type=float,
        metavar="N",
        help="of quality, of --encoder or of one --codec",
    )
    sub.add_argument("--output", required=True, help="folder for rd.csv and its report")
    sub.add_argument("--count", type=at_least(1), metavar="N", help="of the images; default: all")
    sub.add_argument("--jobs", type=at_least(1), metavar="N", help="at once; default: one a core")
    add_anchor(sub)
    sub = command("channels", _channels, "what a bound's channels are used for")
    sub.add_argument("checkpoint", help="file or name, of a bound of images")
    sub.add_argument("images", help="folder, kodak, bundled, or tfds:NAME")
    sub.add_argument("--output", required=True, help="folder for the report and its figures")
    sub.add_argument(
        "--count", type=at_least(1), default=6, metavar="N", help="of the photographs; default: 6"
    )
    add_lmbda(sub, "trade-off; default: middle of the model's range")
    add_model(sub)
    add_device(sub)


def _report(arguments) -> None:
    from rdbound.report.markdown import document_lines
    from rdbound.runs.results import report_runs
    from rdbound.runs.run_folder import PAGE

    output = None if arguments.output is None else Path(arguments.output)
    document, folder = report_runs([Path(run) for run in arguments.runs], output, arguments.anchor)
    print("\n".join([*document_lines(document), "", f"{folder / PAGE}: the same to look at"]))


def _cite(arguments) -> None:
    from rdbound.report.citations import bibliography
    from rdbound.report.latex import sentence_latex
    from rdbound.runs.results import cite_run

    if arguments.table is None:
        print(bibliography(("rdbound", "zhang2025gap", "yang2022sandwich")), end="")
        return
    cited = cite_run(Path(arguments.table), arguments.anchor)
    for sentence in cited.sentences:
        print(sentence_latex(sentence), end="\n\n")
    print(cited.bibtex, end="")


def _gaps(arguments) -> None:
    from rdbound.analysis.channel_ladder import has_rungs
    from rdbound.analysis.gaps import chain, has_chain
    from rdbound.report.document import Document, Section
    from rdbound.report.markdown import section_lines
    from rdbound.report.sections.gaps import gap_sections, negative_notes
    from rdbound.report.sections.ladder import ladder_section
    from rdbound.report.write import save_pictures
    from rdbound.runs.progress import warn
    from rdbound.runs.run_folder import GAP_TABLE
    from rdbound.tables.gaps import Gap, write_gaps
    from rdbound.tables.rd import read_table
    from rdbound.utils.atomic_files import refuse_overwriting

    folder = Path(arguments.output)
    refuse_overwriting(folder / GAP_TABLE, force=None)
    rows = [row for table in arguments.tables for row in read_table(Path(table))]
    sections: list[Section] = []
    found: list[Gap] = []
    if not (climbs := has_rungs(rows)) or has_chain(rows):
        of = chain(rows, arguments.bound, arguments.codec)
        found = of.gaps
        write_gaps(folder / GAP_TABLE, found)
        sections += gap_sections(rows, of, arguments.method)
    if climbs:
        sections.append(ladder_section(rows, arguments.bound, arguments.method))
    save_pictures(Document("Gaps", tuple(sections)).pictures, folder)
    for section in sections:
        print("", *section_lines(section), sep="\n")
    for note in negative_notes(found):
        warn(note)


def _scaling(arguments) -> None:
    from rdbound.analysis.curves import named_anchor
    from rdbound.analysis.model_size import architecture_of, scaling
    from rdbound.report.markdown import document_lines
    from rdbound.report.sections.scaling import scaling_report
    from rdbound.report.write import write_document
    from rdbound.tables.rd import read_table
    from rdbound.utils.atomic_files import refuse_overwriting

    folder = Path(arguments.output)
    refuse_overwriting(folder / "report.md", force=None)
    rows = [row for table in arguments.tables for row in read_table(Path(table))]
    if not rows:
        raise ValueError(f"{', '.join(arguments.tables)}: no rows")
    anchor = named_anchor(arguments.anchor, rows[0].dataset)
    names = dict.fromkeys(architecture_of(row.model) for row in rows)
    found = scaling(rows, anchor, {name: _kmac(name) for name in names}, arguments.method)
    document = scaling_report(rows, found, anchor.name)
    write_document(document, folder)
    print("\n".join(document_lines(document)))


def _kmac(architecture: str) -> float:
    """Thousand multiply–accumulates per pixel of encoder and decoder."""
    c = cost_of(architecture)
    return (c.encoder + c.decoder) / 1e3


def _bd_rate(arguments) -> None:
    from rdbound.analysis.bd_rate import compare
    from rdbound.analysis.curves import QUALITIES, named_anchor, named_curves
    from rdbound.report.figures.curves import curves_figure
    from rdbound.utils.atomic_files import refuse_overwriting

    metric = arguments.metric
    anchor = named_anchor(arguments.anchor, arguments.dataset, metric)
    if arguments.plot is not None:
        target = refuse_overwriting(Path(arguments.plot), arguments.force)
    curves = [
        curve
        for name in arguments.curves
        for curve in named_curves(name, arguments.dataset, arguments.images, metric)
    ]
    by = "" if metric == "psnr" else f" by {QUALITIES[metric]}"
    for curve in curves:
        value = compare(anchor, curve, arguments.method, arguments.unequal_means)
        print(
            f"{curve.name} against {anchor.name}, {arguments.dataset}{by}: {value}, "
            f"{arguments.method}"
        )
    if arguments.plot is not None:
        curves_figure([anchor, *curves], QUALITIES[metric]).savefig(target, bbox_inches="tight")
        print(target)


def _codecs(arguments) -> None:
    from rdbound.api import image_set
    from rdbound.runs.baselines import chosen_codecs, default_jobs, external_run

    codecs = chosen_codecs(
        arguments.codec, arguments.settings, arguments.name, arguments.encoder, arguments.decoder
    )
    images = image_set(arguments.images).take(arguments.count)
    jobs = arguments.jobs or default_jobs()
    external_run(codecs, images, Path(arguments.output), jobs, arguments.anchor, print)


def _channels(arguments) -> None:
    from rdbound.runs.channels import channels_run
    from rdbound.utils.atomic_files import refuse_overwriting

    folder = Path(arguments.output)
    refuse_overwriting(folder / "report.md", force=None)
    channels_run(
        arguments.checkpoint,
        arguments.images,
        folder,
        arguments.count,
        print,
        arguments.lmbda,
        arguments.model,
    )
