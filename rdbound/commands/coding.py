"""Commands on images and streams, and on the tables that streams are written by."""

from pathlib import Path

from rdbound.commands.shared import Command, add_lmbda, add_model, count

__all__ = ["add_coding"]


def add_coding(command: Command) -> None:
    """compress, decompress, calibrate."""
    sub = command("compress", _compress, "an image into an .rdb file")
    _add_files(sub)
    add_lmbda(sub, "trade-off; default: middle of the model's range")
    sub.add_argument("--coder", help="rounding, dithered or bits-back of a codec, layered, "
                     "rec or vbq of a bound, bits-back or rec of a lossless model")  # fmt: skip
    sub.add_argument(
        "--penalty", type=float, help="of the coder vbq: more tells less; default: ln 2"
    )
    sub.add_argument("--coder-option", action="append", default=[], metavar="KEY=VALUE",
                     help="of it, such as seed=1")  # fmt: skip
    sub.add_argument("--side", metavar="FILE", help="to take along, by the coder bits-back")
    sub = command("decompress", _decompress, "an .rdb file into an image")
    _add_files(sub)
    sub.add_argument("--side-out", metavar="FILE", help="for what bits-back took along")
    sub = command(
        "calibrate", _calibrate, "a bound's checkpoint with code tables for the coder vbq"
    )
    sub.add_argument("checkpoint", help="file or name, of a bound of images")
    sub.add_argument("images", help="folder of photographs, other ones than are evaluated on")
    sub.add_argument("output", help=".safetensors file")
    sub.add_argument("--count", type=count, default=64, metavar="N",
                     help="of the photographs; default: 64")  # fmt: skip
    add_lmbda(sub, "trade-offs; default: four of its range", nargs="+")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    add_model(sub)


def _add_files(sub) -> None:
    sub.add_argument("input")
    sub.add_argument("output")
    sub.add_argument("--checkpoint", default="res-hyper-4-codec", help="file or name")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    sub.add_argument("--max-pixels", type=int, metavar="N", help="of an image with its padding")
    add_model(sub)


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


def _calibrate(arguments) -> None:
    from rdbound.checkpoint import resolve
    from rdbound.stages.calibrate import calibrate_file
    from rdbound.stages.files import refuse_overwriting

    source = resolve(arguments.checkpoint)
    target = refuse_overwriting(Path(arguments.output), arguments.force, source)
    print(calibrate_file(arguments.checkpoint, Path(arguments.images), target, arguments.count,
                         arguments.lmbda, arguments.model))  # fmt: skip
