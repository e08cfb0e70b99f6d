"""Commands on images and streams, and on the tables that streams are written by."""

from pathlib import Path
from typing import Any

from rdbound.cli.settings import add_device
from rdbound.cli.shared import Command, add_lmbda, add_model, at_least
from rdbound.zoo import CODEC

__all__ = ["add_coding"]


def add_coding(command: Command) -> None:
    """compress, decompress, calibrate."""
    sub = command("compress", _compress, "images into .rdb files")
    _add_files(sub)
    add_lmbda(sub, "trade-off; default: middle of the model's range")
    sub.add_argument(
        "--coder",
        help="rounding, dithered or bits-back of a codec, layered, "
        "rec or vbq of a bound, bits-back or rec of a lossless model",
    )
    sub.add_argument(
        "--penalty", type=float, help="of the coder vbq: more tells less; default: ln 2"
    )
    sub.add_argument(
        "--coder-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of it, such as seed=1",
    )
    sub.add_argument(
        "--no-check",
        action="store_true",
        help="do not decode again what was written; tells no PSNR",
    )
    sub.add_argument("--side", metavar="FILE", help="to take along, by the coder bits-back")
    sub = command("decompress", _decompress, ".rdb files into images")
    _add_files(sub)
    sub.add_argument("--side-out", metavar="FILE", help="for what bits-back took along")
    sub = command(
        "calibrate", _calibrate, "a bound's checkpoint with code tables for the coder vbq"
    )
    sub.add_argument("checkpoint", help="file or name, of a bound of images")
    sub.add_argument(
        "images",
        help="folder, kodak, bundled, or tfds:NAME; other photographs than are evaluated on",
    )
    sub.add_argument("output", help=".safetensors file")
    sub.add_argument(
        "--count", type=at_least(1), default=64, metavar="N", help="of the photographs; default: 64"
    )
    add_lmbda(sub, "trade-offs; default: four of its range", nargs="+")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    add_model(sub)
    add_device(sub)


def _add_files(sub) -> None:
    sub.add_argument("inputs", nargs="+", metavar="INPUT", help="files, folders, or - for one")
    sub.add_argument("output", help="file, - for standard output, or a folder for several")
    sub.add_argument("--checkpoint", default=CODEC, help=f"file or name; default: {CODEC}")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    sub.add_argument(
        "--max-pixels", type=at_least(1), metavar="N", help="of an image with its padding"
    )
    add_model(sub)
    add_device(sub)


def _compress(arguments) -> None:
    from rdbound.config.load import parse_pairs
    from rdbound.runs.files import compress_files

    options = parse_pairs(arguments.coder_option, "--coder-option", "seed=1")
    if arguments.penalty is not None:
        options["penalty"] = arguments.penalty
    compress_files(
        *_files(arguments),
        lmbda=arguments.lmbda,
        coder=arguments.coder,
        options=options,
        side=_path(arguments.side),
        checked=not arguments.no_check,
    )


def _decompress(arguments) -> None:
    from rdbound.runs.files import decompress_files

    decompress_files(*_files(arguments), side=_path(arguments.side_out))


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _files(arguments) -> tuple[Any, Any, Any, Any]:
    """What compressing and decompressing are told alike."""
    import sys

    from PIL import Image

    from rdbound.coding.codecs.limits import MAX_PIXELS
    from rdbound.runs.files import DASH, FileOptions

    # Pillow's limit is a warning, and an error at twice its value: ours is asked for before.
    Image.MAX_IMAGE_PIXELS = None
    target = Path(arguments.output)
    limit = MAX_PIXELS if arguments.max_pixels is None else arguments.max_pixels
    options = FileOptions(arguments.checkpoint, arguments.force, arguments.model, limit)
    stream = sys.stderr if target == DASH else sys.stdout

    def say(line: str) -> None:
        print(line, file=stream, flush=True)

    return [Path(name) for name in arguments.inputs], target, options, say


def _calibrate(arguments) -> None:
    from rdbound.checkpoints.checkpoint import resolve
    from rdbound.runs.calibrate import calibrate_file
    from rdbound.utils.atomic_files import refuse_overwriting

    source = resolve(arguments.checkpoint)
    target = refuse_overwriting(Path(arguments.output), arguments.force, source)
    print(
        calibrate_file(
            arguments.checkpoint,
            arguments.images,
            target,
            arguments.count,
            arguments.lmbda,
            arguments.model,
        )
    )
