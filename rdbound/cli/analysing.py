"""Commands that analyse tables, codecs and models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rdbound.cli.shared import Anchor, Force, Interpolation, Outside, command
from rdbound.reference import DEFAULT_ANCHOR
from rdbound.runs.progress import Terminal
from rdbound.utils.progress import LOG

if TYPE_CHECKING:
    from rdbound.objective.complexity import Cost

__all__ = ["cost_of"]

_Tables = Annotated[list[Path], typer.Argument(metavar="TABLE", help="RD tables (rd.csv).")]
_Folder = Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Folder of the results.")]


@command("report")
def _report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Folders with an rd.csv, or RD tables.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the report; by default that of the run."),
    ] = None,
    anchor: Anchor = DEFAULT_ANCHOR,
) -> None:
    """Write report, results page and LaTeX tables again."""
    from rdbound.report.markdown import document_lines
    from rdbound.runs.results import report_runs
    from rdbound.runs.run_folder import PAGE

    document, folder = report_runs(runs, output, anchor)
    LOG.info("\n".join([*document_lines(document), "", f"{folder / PAGE}: the same to look at"]))


@command("cite")
def _cite(
    table: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Folder with an rd.csv, or an RD table.")
    ] = None,
    anchor: Anchor = DEFAULT_ANCHOR,
) -> None:
    """Print a citing sentence and the BibTeX for a run."""
    from rdbound.report.citations import bibliography
    from rdbound.report.latex import sentence_latex
    from rdbound.runs.results import cite_run

    if table is None:
        print(bibliography(("rdbound", "zhang2025gap", "yang2022sandwich")), end="")
        return
    cited = cite_run(table, anchor)
    for sentence in cited.sentences:
        print(sentence_latex(sentence), end="\n\n")
    print(cited.bibtex, end="")


@command("gaps")
def _gaps(
    tables: _Tables,
    output: _Folder,
    bound: Annotated[
        str | None, typer.Option(help="Model of the bound, if the tables have several.")
    ] = None,
    codec: Annotated[
        str | None, typer.Option(help="Model of the codec, if the tables have several.")
    ] = None,
    method: Interpolation = "pchip",
) -> None:
    """Compute the gaps of RD tables."""
    from rdbound.analysis.channel_ladder import has_rungs
    from rdbound.analysis.gaps import chain, has_chain
    from rdbound.report.document import Document, Section
    from rdbound.report.markdown import section_lines
    from rdbound.report.sections.gaps import gap_sections, negative_notes
    from rdbound.report.sections.ladder import ladder_section
    from rdbound.report.write import save_pictures
    from rdbound.runs.run_folder import GAP_TABLE
    from rdbound.tables.gaps import Gap, write_gaps
    from rdbound.tables.rd import read_table
    from rdbound.utils.atomic_files import refuse_overwriting

    refuse_overwriting(output / GAP_TABLE, force=None)
    rows = [row for table in tables for row in read_table(table)]
    sections: list[Section] = []
    gaps: list[Gap] = []
    if not (climbs := has_rungs(rows)) or has_chain(rows):
        of = chain(rows, bound, codec)
        gaps = of.gaps
        write_gaps(output / GAP_TABLE, gaps)
        sections += gap_sections(rows, of, method)
    if climbs:
        sections.append(ladder_section(rows, bound, method))
    save_pictures(Document("Gaps", tuple(sections)).pictures, output)
    for section in sections:
        LOG.info("\n".join(["", *section_lines(section)]))
    for note in negative_notes(gaps):
        LOG.warning(note)


@command("scaling")
def _scaling(
    tables: _Tables,
    output: _Folder,
    anchor: Anchor = DEFAULT_ANCHOR,
    method: Interpolation = "pchip",
) -> None:
    """Compare bounds, codecs and gaps by model size."""
    from rdbound.analysis.curves import named_anchor
    from rdbound.analysis.model_size import architecture_of, scaling
    from rdbound.report.markdown import document_lines
    from rdbound.report.sections.scaling import scaling_report
    from rdbound.report.write import write_document
    from rdbound.tables.rd import read_table
    from rdbound.utils.atomic_files import refuse_overwriting

    refuse_overwriting(output / "report.md", force=None)
    rows = [row for table in tables for row in read_table(table)]
    if not rows:
        raise ValueError(f"{', '.join(map(str, tables))}: no rows")
    chosen = named_anchor(anchor, rows[0].dataset)
    names = dict.fromkeys(architecture_of(row.model) for row in rows)
    costs = {name: cost_of(name) for name in names}
    kmac = {name: (cost.encoder + cost.decoder) / 1e3 for name, cost in costs.items()}
    document = scaling_report(rows, scaling(rows, chosen, kmac, method), chosen.name)
    write_document(document, output)
    LOG.info("\n".join(document_lines(document)))


@command("cost")
def _cost(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL", help="Names of image models (rdbound list models)."),
    ],
) -> None:
    """Print parameters and MAC per pixel of models."""
    costs = {name: cost_of(name) for name in models}
    LOG.info(f"{'model':20}{'parameters':>12}{'encoder':>10}{'decoder':>10}  (kMAC per pixel)")
    for name, c in costs.items():
        LOG.info(f"{name:20}{c.parameters:12,}{c.encoder / 1e3:10.1f}{c.decoder / 1e3:10.1f}")


def cost_of(architecture: str) -> "Cost":
    """Return the cost of a named model: of variable rate, or of λ = 1 if it serves one λ only."""
    from flax import nnx

    from rdbound.models import MODELS, make_model
    from rdbound.models.lossless_vae import LOSSLESS
    from rdbound.objective.complexity import cost

    def at(lmbda: float | tuple[float, float]) -> "Cost":
        return cost(nnx.eval_shape(lambda: make_model(architecture, "bound", lmbda)))

    lossless = architecture.removeprefix("resnet-vae-") in LOSSLESS
    if architecture in MODELS and not lossless:
        try:
            return at((0.0009, 0.0966))
        except ValueError:  # it serves one λ
            pass
    return at(1.0)


@command("bd-rate")
def _bd_rate(
    curves: Annotated[
        list[str],
        typer.Argument(
            metavar="CURVE",
            help="RD table, TABLE.csv:METHOD, CSV with bpp, psnr and image or images, or the name "
            "of a published curve.",
        ),
    ],
    anchor: Anchor = DEFAULT_ANCHOR,
    metric: Annotated[
        Literal["psnr", "ms-ssim"], typer.Option(help="Measure of quality.")
    ] = "psnr",
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Figure of the curves to write: .png, .pdf or .svg."),
    ] = None,
    force: Force = False,
    dataset: Annotated[str, typer.Option(help="Data set of the curves.")] = "kodak",
    images: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of images averaged in a CSV of means."),
    ] = None,
    unequal_means: Annotated[
        bool,
        typer.Option("--unequal-means", help="Compare means over different or unknown images."),
    ] = False,
    method: Interpolation = "pchip",
) -> None:
    """Compute the BD-rate of curves against an anchor."""
    from rdbound.analysis.bd_rate import compare
    from rdbound.analysis.curves import QUALITIES, named_anchor, named_curves
    from rdbound.report.figures.curves import curves_figure
    from rdbound.utils.atomic_files import refuse_overwriting

    reference = named_anchor(anchor, dataset, metric)
    if plot is not None:
        refuse_overwriting(plot, force)
    found = [c for name in curves for c in named_curves(name, dataset, images, metric)]
    by = "" if metric == "psnr" else f" by {QUALITIES[metric]}"
    for curve in found:
        value = compare(reference, curve, method, unequal_means)
        LOG.info(f"{curve.name} against {reference.name}, {dataset}{by}: {value}, {method}")
    if plot is not None:
        curves_figure([reference, *found], QUALITIES[metric]).savefig(plot, bbox_inches="tight")
        LOG.info(str(plot))


@command("codecs")
def _codecs(
    terminal: Terminal,
    images: Annotated[
        str, typer.Argument(metavar="IMAGES", help="Folder or file, kodak, bundled, or tfds:NAME.")
    ],
    output: _Folder,
    codec: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...",
            help="Codecs among jpeg, jpeg-444, webp, avif, avif-444, jpeg2000, jxl and vvc; by "
            "default jpeg webp avif jpeg2000, or none beside --encoder.",
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Command of your encoder: 'myenc -q {quality} {input} {output}', input a PNG.",
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Command of your decoder: 'mydec {input} {output}', output a PNG.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of your codec in tables.")] = "mine",
    settings: Annotated[
        list[float] | None,
        typer.Option(metavar="N...", help="Quality settings of --encoder or of the one --codec."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of images; by default all."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of processes; by default one for each core."),
    ] = None,
    anchor: Anchor = DEFAULT_ANCHOR,
) -> None:
    """Measure the RD table of classical or your own codecs."""
    from rdbound.api import image_set
    from rdbound.runs.baselines import chosen_codecs, default_jobs, external_run

    chosen = chosen_codecs(codec or None, settings or None, name, encoder, decoder)
    chosen_images = image_set(images).take(count)
    external_run(chosen, chosen_images, output, jobs or default_jobs(), anchor, terminal.progress)


@command("channels", computes=True)
def _channels(
    terminal: Terminal,
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="File or name of a bound of images.")
    ],
    images: Annotated[
        str, typer.Argument(metavar="IMAGES", help="Folder, kodak, bundled, or tfds:NAME.")
    ],
    output: _Folder,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Number of photographs.")] = 6,
    lmbda: Annotated[
        float | None,
        typer.Option(
            "--lmbda", "--lambda", help="Trade-off λ; by default the middle of the model's range."
        ),
    ] = None,
    model: Outside = None,
) -> None:
    """Report what the channels of a bound are used for."""
    from rdbound.runs.channels import channels_run
    from rdbound.utils.atomic_files import refuse_overwriting

    refuse_overwriting(output / "report.md", force=None)
    channels_run(
        checkpoint,
        images,
        output,
        count,
        lmbda=lmbda,
        outside=model or (),
        progress=terminal.progress,
    )


@command("check-model", computes=True)
def _check_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a model, or package.module:Class.")
    ],
    form: Annotated[
        Literal["bound", "codec"] | None,
        typer.Option(help="Family of the priors; by default one after the other."),
    ] = None,
    lmbda: Annotated[
        list[float] | None,
        typer.Option(
            "--lmbda",
            "--lambda",
            metavar="LOW [HIGH]",
            help="Trade-off λ, or the ends of its range; by default 0.0018 0.0483.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the model; repeatable."),
    ] = None,
    distortion: Annotated[
        str, typer.Option(help="Name of the distortion, or package.module:function.")
    ] = "squared-error",
    dimension: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Dimension of the vectors, if the model has none."),
    ] = None,
) -> None:
    """Check a model before it is trained.

    The exit code is 2 at the first failure.
    """
    from rdbound.config.load import parse_pairs
    from rdbound.runs.check_model import check_run

    forms = ("bound", "codec") if form is None else (form,)
    options = parse_pairs(option or [], "--option", "width=64")
    check_run(model, forms, lmbda or (0.0018, 0.0483), options, distortion, dimension)
