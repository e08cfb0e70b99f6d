"""The command line. Every mistake of a user ends in one clear message and exit code 2."""

import argparse
import csv
import logging
import os
import sys
import threading
from _thread import interrupt_main
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

__all__ = ["main", "script"]

_INTERRUPTED = 130


def script() -> NoReturn:
    """:func:`main` as a process of its own, which ends with its exit code."""
    # What Orbax logs of a failure it raises too, and that ends in one line.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    sys.unraisablehook = _interrupt_again
    code = main()
    if code == _INTERRUPTED:
        # Not by way of the interpreter's exit: it takes JAX down while a thread of XLA's
        # may still compile, and crashes. What a command writes is closed by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _interrupt_again(dropped) -> None:
    """Bring a Ctrl-C back that Python dropped, as it drops what a finalizer or a callback of the
    garbage collector raises, JAX's among them: the command would go on as if nothing had been.
    """
    if dropped.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, interrupt_main).start()  # after the callback, not within it
    else:
        sys.__unraisablehook__(dropped)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except ValueError as error:
        for line in str(error).splitlines():
            print(f"rdbound: error: {line}", file=sys.stderr)
        return 2
    except OSError as error:
        reason = str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        print(f"rdbound: error: {reason}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"rdbound: error: not enough memory: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # XLA's, where an array cannot be allocated
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(f"rdbound: error: not enough memory: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("rdbound: interrupted; start the same command again to go on", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rdbound", description="How far is a codec from the rate–distortion bound, and why?"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    sub = command("quickstart", _quickstart, "bound, codec and gaps of three photographs")
    sub.add_argument("--output", default="runs/quickstart", help="run folder")
    for name, run, text in (
        ("train", _train, "train a model from a config"),
        ("evaluate", _evaluate, "evaluate checkpoints into an RD table and a report"),
        ("answers", _answers, "estimate R(D) of sources by every method of a config"),
    ):
        sub = command(name, run, text)
        sub.add_argument("config", help="YAML file")
        sub.add_argument("overrides", nargs="*", metavar="key=value", help="dotted overrides")
    sub = command("export", _export, "the averaged weights of a training run so far, as a file")
    sub.add_argument("folder", help="of the run")
    _add_model(sub)
    sub.add_argument("output", help=".safetensors file")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    sub = command(
        "calibrate", _calibrate, "a bound's checkpoint with code tables for the coder vbq"
    )
    sub.add_argument("checkpoint", help="file or name, of a bound of images")
    sub.add_argument("images", help="folder of photographs, other ones than are evaluated on")
    sub.add_argument("output", help=".safetensors file")
    sub.add_argument("--count", type=_count, default=64, metavar="N", help="of the photographs")
    sub.add_argument(
        "--lmbda", type=float, nargs="+", help="trade-offs; default: four of its range"
    )
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    _add_model(sub)
    sub = command("channels", _channels, "what a bound's channels are used for")
    sub.add_argument("checkpoint", help="file or name, of a bound of images")
    sub.add_argument("images", help="folder of photographs, or bundled")
    sub.add_argument("--output", required=True, help="folder for the report and its figures")
    sub.add_argument("--count", type=_count, default=6, metavar="N", help="of the photographs")
    sub.add_argument("--lmbda", type=float, help="trade-off; default: middle of the model's range")
    _add_model(sub)
    sub = command("verify", _verify, "hold every estimator against known answers (minutes)")
    sub.add_argument("--output", help="folder for the table, answers.csv")
    sub = command("gaps", _gaps, "the gaps of RD tables")
    sub.add_argument("tables", nargs="+", help="rd.csv files")
    sub.add_argument("--output", required=True, help="folder for gaps.csv and its figure")
    sub.add_argument("--bound", help="name of the bound's model, where the tables hold several")
    sub.add_argument("--codec", help="name of the codec's model, where the tables hold several")
    _add_method(sub)
    sub = command("scaling", _scaling, "bounds, codecs and gaps of RD tables by model size")
    sub.add_argument("tables", nargs="+", help="rd.csv files")
    sub.add_argument("--output", required=True, help="folder for the report and its figures")
    sub.add_argument("--anchor", default="vtm-22.0")
    _add_method(sub)
    sub = command("bd-rate", _bd_rate, "BD-rate of a curve against a published one")
    sub.add_argument("curve", help="an RD table, or a CSV: bpp, psnr [, image | images]")
    sub.add_argument("--anchor", default="vtm-22.0")
    sub.add_argument("--dataset", default="kodak")
    sub.add_argument("--images", type=_count, metavar="N",
                     help="over how many images a CSV of means is")  # fmt: skip
    sub.add_argument("--unequal-means", action="store_true",
                     help="compare means over different, or unknown, images")  # fmt: skip
    _add_method(sub)
    sub = command("compress", _compress, "an image into an .rdb file")
    _add_files(sub)
    sub.add_argument("--lmbda", type=float, help="trade-off; default: middle of the model's range")
    sub.add_argument("--coder", help="rounding, dithered or bits-back of a codec, layered, "
                     "rec or vbq of a bound")  # fmt: skip
    sub.add_argument(
        "--penalty", type=float, help="of the coder vbq: more tells less; default: ln 2"
    )
    sub.add_argument("--coder-option", action="append", default=[], metavar="KEY=VALUE",
                     help="of it, such as seed=1")  # fmt: skip
    sub.add_argument("--side", metavar="FILE", help="to take along, by the coder bits-back")
    sub = command("decompress", _decompress, "an .rdb file into an image")
    _add_files(sub)
    sub.add_argument("--side-out", metavar="FILE", help="for what bits-back took along")
    _add_check(command("check-model", _check_model, "try a model before training it"))
    command("models", _models, "the named models and their cost")
    command("checkpoints", _checkpoints, "the shipped checkpoints")
    command("references", _references, "the shipped published points and their sources")
    return parser


def _add_method(sub) -> None:
    sub.add_argument("--method", default="pchip", choices=("pchip", "akima", "cubic"))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of images")
    return int(text)


def _add_files(sub) -> None:
    sub.add_argument("input")
    sub.add_argument("output")
    sub.add_argument("--checkpoint", default="res-hyper-4-codec", help="file or name")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    sub.add_argument("--max-pixels", type=int, metavar="N", help="of an image with its padding")
    _add_model(sub)


def _add_model(sub) -> None:
    sub.add_argument("--model", action="append", default=[], metavar="PACKAGE.MODULE:CLASS",
                     help="allow the file to name this class from outside the package")  # fmt: skip


def _add_check(sub) -> None:
    sub.add_argument("model", help="a name, or package.module:Class")
    sub.add_argument("--form", choices=("bound", "codec"), help="default: one after the other")
    sub.add_argument("--lmbda", type=float, nargs="+", default=(0.0018, 0.0483), help="low [high]")
    sub.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="of it")
    sub.add_argument(
        "--distortion", default="squared-error", help="name or package.module:function"
    )
    sub.add_argument("--dimension", type=int, help="of vectors, where the model does not say it")


def _quickstart(arguments) -> None:
    from rdbound.stages.quickstart import quickstart

    quickstart(arguments.output, print)


def _train(arguments) -> None:
    from rdbound.stages.train import train_run

    _each_cell(arguments, train_run)


def _evaluate(arguments) -> None:
    from rdbound.stages.evaluate import evaluate_run

    _each_cell(arguments, evaluate_run)


def _export(arguments) -> None:
    from rdbound.stages.export import export_run
    from rdbound.stages.files import refuse_overwriting

    target = refuse_overwriting(Path(arguments.output), arguments.force)
    step = export_run(Path(arguments.folder), target, arguments.model)
    print(f"{target}: the averaged weights of step {step}")


def _calibrate(arguments) -> None:
    from rdbound.checkpoint import resolve
    from rdbound.stages.calibrate import calibrate_file
    from rdbound.stages.files import refuse_overwriting

    source = resolve(arguments.checkpoint)
    target = refuse_overwriting(Path(arguments.output), arguments.force, source)
    print(calibrate_file(arguments.checkpoint, Path(arguments.images), target, arguments.count,
                         arguments.lmbda, arguments.model))  # fmt: skip


def _channels(arguments) -> None:
    from rdbound.stages.channels import channels_run
    from rdbound.stages.files import refuse_overwriting

    folder = Path(arguments.output)
    refuse_overwriting(folder / "report.md", force=False)
    channels_run(arguments.checkpoint, arguments.images, folder, arguments.count, print,
                 arguments.lmbda, arguments.model)  # fmt: skip


def _answers(arguments) -> None:
    from rdbound.stages.answers import answers_run

    _each_cell(arguments, answers_run)


def _verify(arguments) -> int:
    """Exit code 1 where a bound lies on the wrong side of the truth."""
    from rdbound.stages.verify import verify

    output = None if arguments.output is None else Path(arguments.output)
    return 0 if verify(print, output) else 1


def _each_cell(arguments, run) -> None:
    from rdbound.config import load_config
    from rdbound.stages.sweep import each_cell

    each_cell(load_config(arguments.config, arguments.overrides), run, print)


def _gaps(arguments) -> None:
    from rdbound.analysis.gaps import chain, has_chain
    from rdbound.analysis.ladder import has_rungs
    from rdbound.report.document import Document, Section
    from rdbound.report.gap_notes import negative_notes
    from rdbound.report.gaps import gap_sections
    from rdbound.report.ladder import ladder_section
    from rdbound.report.text import section_lines
    from rdbound.report.write import save_pictures
    from rdbound.stages.files import refuse_overwriting
    from rdbound.stages.progress import warn
    from rdbound.tables.gaps import Gap, write_gaps
    from rdbound.tables.rd import read_table

    folder = Path(arguments.output)
    refuse_overwriting(folder / "gaps.csv", force=False)
    rows = [row for table in arguments.tables for row in read_table(Path(table))]
    sections: list[Section] = []
    found: list[Gap] = []
    if not (climbs := has_rungs(rows)) or has_chain(rows):
        of = chain(rows, arguments.bound, arguments.codec)
        found = of.gaps
        write_gaps(folder / "gaps.csv", found)
        sections += gap_sections(rows, of, arguments.method)
    if climbs:
        sections.append(ladder_section(rows, arguments.bound, arguments.method))
    save_pictures(Document("Gaps", tuple(sections)).pictures, folder)
    for section in sections:
        print("", *section_lines(section), sep="\n")
    for note in negative_notes(found):
        warn(note)


def _scaling(arguments) -> None:
    from rdbound.analysis.curves import from_reference
    from rdbound.analysis.scaling import architecture_of, scaling
    from rdbound.reference import find_curve
    from rdbound.report.scaling import scaling_report
    from rdbound.report.text import document_lines
    from rdbound.report.write import write_document
    from rdbound.stages.files import refuse_overwriting
    from rdbound.tables.rd import read_table

    folder = Path(arguments.output)
    refuse_overwriting(folder / "report.md", force=False)
    rows = [row for table in arguments.tables for row in read_table(Path(table))]
    if not rows:
        raise ValueError(f"{', '.join(arguments.tables)}: no rows")
    anchor = from_reference(find_curve(rows[0].dataset, arguments.anchor))
    names = dict.fromkeys(architecture_of(row.model) for row in rows)
    found = scaling(rows, anchor, {name: _kmac(name) for name in names}, arguments.method)
    document = scaling_report(rows, found, anchor.name)
    write_document(document, folder)
    print("\n".join(document_lines(document)))


def _kmac(architecture: str) -> float:
    """Thousand multiply–accumulates per pixel of encoder and decoder."""
    c = _cost_of(architecture)
    return (c.encoder + c.decoder) / 1e3


def _cost_of(architecture: str):
    """The cost of a named model of variable rate; raises ValueError for an unknown one."""
    from flax import nnx

    from rdbound.cost import cost
    from rdbound.models import make_model

    return cost(nnx.eval_shape(lambda: make_model(architecture, "bound", (0.0009, 0.0966))))


def _bd_rate(arguments) -> None:
    from rdbound.analysis.bd_rate import compare
    from rdbound.analysis.curves import from_reference, read_curves
    from rdbound.reference import find_curve

    anchor = from_reference(find_curve(arguments.dataset, arguments.anchor))
    curves = read_curves(Path(arguments.curve), arguments.dataset, arguments.images)
    for curve in curves:
        value = compare(anchor, curve, arguments.method, arguments.unequal_means)
        print(f"{curve.name} against {anchor.name}, {arguments.dataset}: {value}, "
              f"{arguments.method}")  # fmt: skip


def _compress(arguments) -> None:
    from rdbound.stages.check import read_options
    from rdbound.stages.files import compress_file

    options = read_options(arguments.coder_option)
    if arguments.penalty is not None:
        options["penalty"] = arguments.penalty
    print(compress_file(**_files(arguments), lmbda=arguments.lmbda, coder=arguments.coder,
                        options=options, side=_path(arguments.side)))  # fmt: skip


def _decompress(arguments) -> None:
    from rdbound.stages.files import decompress_file

    print(decompress_file(**_files(arguments), side=_path(arguments.side_out)))


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _files(arguments) -> dict:
    """What compressing and decompressing are told alike."""
    from PIL import Image

    from rdbound.coding.limits import MAX_PIXELS

    # Pillow's limit is a warning, and an error at twice its value: ours is asked for before.
    Image.MAX_IMAGE_PIXELS = None
    return {
        "source": Path(arguments.input),
        "target": Path(arguments.output),
        "checkpoint": arguments.checkpoint,
        "force": arguments.force,
        "outside": arguments.model,
        "max_pixels": MAX_PIXELS if arguments.max_pixels is None else arguments.max_pixels,
    }


def _check_model(arguments) -> None:
    from rdbound.stages.check import check_run, read_options

    forms = ("bound", "codec") if arguments.form is None else (arguments.form,)
    options = read_options(arguments.option)
    check_run(arguments.model, forms, arguments.lmbda, options, arguments.distortion,
              arguments.dimension, print)  # fmt: skip


def _models(arguments) -> None:
    from rdbound.models import MODELS

    print(f"{'name':14}{'parameters':>12}{'encoder':>10}{'decoder':>10}  (kMAC per pixel)")
    for name in MODELS:
        if name == "mlp":
            print(f"{'mlp':14}{'by options':>12}{'–':>10}{'–':>10}  (vectors)", flush=True)
            continue
        c = _cost_of(name)
        print(
            f"{name:14}{c.parameters:12,}{c.encoder / 1e3:10.1f}{c.decoder / 1e3:10.1f}", flush=True
        )


def _checkpoints(arguments) -> None:
    from rdbound.checkpoint import zoo

    for name, file in zoo().items():
        print(f"{name}  {file.stat().st_size / 1e6:.1f} MB  card: {file.with_suffix('.md')}")


def _references(arguments) -> None:
    from rdbound.reference import CITATIONS, curves

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("dataset", "method", "kind", "points", "basis", "source"))
    for curve in sorted(curves().values(), key=lambda c: (c.dataset, c.kind, c.method)):
        basis = "per image" if curve.per_image else "means"
        source = CITATIONS[curve.source]
        writer.writerow((curve.dataset, curve.label, curve.kind, len(curve.points), basis, source))


if __name__ == "__main__":
    script()
