"""Commands that encode and decode images, and prepare checkpoints for it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdbound.cli.shared import Force, Outside, command
from rdbound.runs.progress import Terminal
from rdbound.zoo import CODEC

if TYPE_CHECKING:
    from rdbound.runs.files import FileOptions

__all__: list[str] = []

_Inputs = Annotated[
    list[Path], typer.Argument(metavar="INPUT", help="Files, folders, or - for standard input.")
]
_Target = Annotated[
    Path,
    typer.Argument(
        metavar="OUTPUT", help="File, - for standard output, or a folder for several files."
    ),
]
_Checkpoint = Annotated[str, typer.Option(help="File or name of the checkpoint.")]
_MaxPixels = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Largest number of pixels of a padded image."),
]
_Lmbda = Annotated[
    float | None,
    typer.Option(
        "--lmbda", "--lambda", help="Trade-off λ; by default the middle of the model's range."
    ),
]


@command("compress", computes=True)
def _compress(
    terminal: Terminal,
    inputs: _Inputs,
    output: _Target,
    checkpoint: _Checkpoint = CODEC,
    lmbda: _Lmbda = None,
    coder: Annotated[
        str | None, typer.Option(help="Name of the coder (rdbound list coders).")
    ] = None,
    penalty: Annotated[
        float | None,
        typer.Option(help="Penalty of the coder vbq: more gives fewer bits; by default ln 2."),
    ] = None,
    coder_option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the coder, e.g. seed=1; repeatable."),
    ] = None,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not decode the streams again for their PSNR.")
    ] = False,
    side: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to embed as side information (bits-back only)."),
    ] = None,
    force: Force = False,
    max_pixels: _MaxPixels = None,
    model: Outside = None,
) -> None:
    """Encode images as .rdb files."""
    from rdbound.config.load import parse_pairs
    from rdbound.runs.files import compress_files

    options = parse_pairs(coder_option or [], "--coder-option", "seed=1")
    if penalty is not None:
        options["penalty"] = penalty
    compress_files(
        inputs,
        output,
        _options(terminal, output, checkpoint, force, model, max_pixels),
        lmbda=lmbda,
        coder=coder,
        options=options,
        side=side,
        checked=not no_check,
    )


@command("decompress", computes=True)
def _decompress(
    terminal: Terminal,
    inputs: _Inputs,
    output: _Target,
    checkpoint: _Checkpoint = CODEC,
    side_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write side information to.")
    ] = None,
    force: Force = False,
    max_pixels: _MaxPixels = None,
    model: Outside = None,
) -> None:
    """Decode .rdb files to images."""
    from rdbound.runs.files import decompress_files

    options = _options(terminal, output, checkpoint, force, model, max_pixels)
    decompress_files(inputs, output, options, side=side_out)


def _options(
    terminal: Terminal,
    output: Path,
    checkpoint: str,
    force: bool,
    model: list[str] | None,
    max_pixels: int | None,
) -> "FileOptions":
    """Return the options of both commands, and keep messages out of an image on standard output."""
    from PIL import Image

    from rdbound.coding.codecs.limits import MAX_PIXELS
    from rdbound.runs.files import DASH, FileOptions

    # Pillow's limit is a warning, and an error at twice its value; ours is checked before it.
    Image.MAX_IMAGE_PIXELS = None
    if output == DASH:
        terminal.results = sys.stderr
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    return FileOptions(checkpoint, force, model or (), limit)


@command("calibrate", computes=True)
def _calibrate(
    terminal: Terminal,
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="File or name of a bound of images.")
    ],
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            help="Folder, kodak, bundled, or tfds:NAME; other photographs than the evaluated ones.",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="FILE", help="Safetensors file to write.")],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Number of photographs.")] = 64,
    lmbda: Annotated[
        list[float] | None,
        typer.Option(
            "--lmbda",
            "--lambda",
            metavar="λ...",
            help="Trade-offs λ; by default four of the model's range.",
        ),
    ] = None,
    force: Force = False,
    model: Outside = None,
) -> None:
    """Add code tables for the coder vbq to a checkpoint.

    The output is a copy of a bound's checkpoint with the same weights.
    """
    from rdbound.checkpoints.checkpoint import resolve
    from rdbound.runs.calibrate import calibrate_file
    from rdbound.utils.atomic_files import refuse_overwriting

    target = refuse_overwriting(output, force, resolve(checkpoint))
    calibrate_file(
        checkpoint,
        images,
        target,
        count,
        lmbda or None,
        outside=model or (),
        progress=terminal.progress,
    )
