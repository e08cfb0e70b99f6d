"""The command line. Every mistake of a user ends in one clear message and exit code 2."""

import argparse
import csv
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

__all__ = ["main", "script"]

_INTERRUPTED = 130


def script() -> NoReturn:
    """:func:`main` as a process of its own, which ends with its exit code."""
    # What Orbax logs of a failure it raises too, and that ends in one line.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    code = main()
    if code == _INTERRUPTED:
        # Not by way of the interpreter's exit: it takes JAX down while a thread of XLA's
        # may still compile, and crashes. What a command writes is closed by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


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
    sub.add_argument("output", help=".safetensors file")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    sub = command("verify", _verify, "hold every estimator against known answers (minutes)")
    sub.add_argument("--output", help="folder for the table, answers.csv")
    sub = command("gaps", _gaps, "the gaps of RD tables")
    sub.add_argument("tables", nargs="+", help="rd.csv files")
    sub.add_argument("--output", required=True, help="folder for gaps.csv and its figure")
    sub.add_argument("--bound", help="name of the bound's model, where the tables hold several")
    sub.add_argument("--codec", help="name of the codec's model, where the tables hold several")
    _add_method(sub)
    sub = command("bd-rate", _bd_rate, "BD-rate of a curve against a published one")
    sub.add_argument("curve", help="an RD table, or a CSV with columns bpp, psnr [, image]")
    sub.add_argument("--anchor", default="vtm-22.0")
    sub.add_argument("--dataset", default="kodak")
    _add_method(sub)
    sub = command("compress", _compress, "an image into an .rdb file")
    _add_files(sub)
    sub.add_argument("--lmbda", type=float, help="trade-off; default: middle of the model's range")
    sub = command("decompress", _decompress, "an .rdb file into an image")
    _add_files(sub)
    command("models", _models, "the named models and their cost")
    command("checkpoints", _checkpoints, "the shipped checkpoints")
    command("references", _references, "the shipped published points and their sources")
    return parser


def _add_method(sub) -> None:
    sub.add_argument("--method", default="pchip", choices=("pchip", "akima", "cubic"))


def _add_files(sub) -> None:
    sub.add_argument("input")
    sub.add_argument("output")
    sub.add_argument("--checkpoint", default="res-hyper-4-codec", help="file or name")
    sub.add_argument("--force", action="store_true", help="overwrite the output")


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

    target = _refuse_overwriting(Path(arguments.output), arguments.force)
    step = export_run(Path(arguments.folder), target)
    print(f"{target}: the averaged weights of step {step}")


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
    from rdbound.analysis.gaps import gaps
    from rdbound.report.document import Document
    from rdbound.report.gaps import gap_sections
    from rdbound.report.text import section_lines
    from rdbound.report.write import save_pictures
    from rdbound.tables.gaps import write_gaps
    from rdbound.tables.rd import read_table

    folder = Path(arguments.output)
    _refuse_overwriting(folder / "gaps.csv", force=False)
    rows = [row for table in arguments.tables for row in read_table(Path(table))]
    write_gaps(folder / "gaps.csv", gaps(rows, arguments.bound, arguments.codec))
    sections = gap_sections(rows, arguments.bound, arguments.codec, arguments.method)
    save_pictures(Document("Gaps", sections).pictures, folder)
    for section in sections:
        print("", *section_lines(section), sep="\n")


def _bd_rate(arguments) -> None:
    from rdbound.analysis.bd_rate import compare
    from rdbound.analysis.curves import from_reference, read_curves
    from rdbound.reference import find_curve

    anchor = from_reference(find_curve(arguments.dataset, arguments.anchor))
    for curve in read_curves(Path(arguments.curve), arguments.dataset):
        value = compare(anchor, curve, arguments.method)
        print(f"{curve.name} against {anchor.name}, {arguments.dataset}: {value}, "
              f"{arguments.method}")  # fmt: skip


def _compress(arguments) -> None:
    from rdbound.checkpoint import load
    from rdbound.coding import Codec
    from rdbound.images.files import read_image

    target = _refuse_overwriting(Path(arguments.output), arguments.force)
    image = read_image(arguments.input)
    checkpoint = load(arguments.checkpoint)
    data = Codec(checkpoint.model, checkpoint.tables).compress(image, arguments.lmbda)
    _write(target, data)
    height, width = image.shape[:2]
    print(f"{target}: {len(data)} bytes, {8 * len(data) / (height * width):.4f} bits per pixel")


_LOSSLESS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".ppm": "PPM"}


def _decompress(arguments) -> None:
    import io

    from PIL import Image

    from rdbound.checkpoint import load
    from rdbound.coding import BitstreamError, Codec

    target = _refuse_overwriting(Path(arguments.output), arguments.force)
    if target.suffix.lower() not in _LOSSLESS:
        raise ValueError(
            f"{target}: a decoded image is written losslessly, as one of {' '.join(_LOSSLESS)}"
        )
    checkpoint = load(arguments.checkpoint)
    codec = Codec(checkpoint.model, checkpoint.tables)
    try:
        image = codec.decompress(Path(arguments.input).read_bytes())
    except BitstreamError as error:
        raise ValueError(f"{arguments.input}: {error}") from None
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=_LOSSLESS[target.suffix.lower()])
    _write(target, buffer.getvalue())
    print(f"{target}: {image.shape[1]}×{image.shape[0]} pixels")


def _refuse_overwriting(path: Path, force: bool) -> Path:
    if path.exists() and not force:
        raise ValueError(f"{path} exists already; give another name" + (
            " or --force" if path.suffix != ".csv" else ""))  # fmt: skip
    return path


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def _models(arguments) -> None:
    from flax import nnx

    from rdbound.cost import cost
    from rdbound.models import MODELS, make_model

    print(f"{'name':14}{'parameters':>12}{'encoder':>10}{'decoder':>10}  (kMAC per pixel)")
    for name in MODELS:
        if name == "mlp":
            print(f"{'mlp':14}{'by options':>12}{'–':>10}{'–':>10}  (vectors)", flush=True)
            continue
        model = nnx.eval_shape(lambda name=name: make_model(name, "bound", (0.0009, 0.0966)))
        c = cost(model)
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
