"""Compress image files and decompress streams, without overwriting a user's file by mistake."""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rdbound.checkpoints.checkpoint import Checkpoint, load, resolve
from rdbound.coding import BitstreamError, Codec, Decoded, Encoded
from rdbound.coding.codecs.bits_back.side_information import side_bytes
from rdbound.coding.codecs.limits import MAX_PIXELS
from rdbound.images.files import SUFFIXES, read_image
from rdbound.ops.image_quality import psnr
from rdbound.utils.atomic_files import refuse_overwriting
from rdbound.utils.progress import LOG

__all__ = ["DASH", "FileOptions", "compress_files", "decompress_files"]

DASH = Path("-")
"""Standard input or output."""
LOSSLESS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".ppm": "PPM"}


@dataclass(frozen=True)
class FileOptions:
    """Options of compressing and decompressing.

    Attributes:
      checkpoint: a file or a name.
      force: whether targets may be overwritten.
      outside: see :func:`rdbound.checkpoints.checkpoint.load`.
      max_pixels: a larger image is refused before it is decoded.
    """

    checkpoint: str
    force: bool = False
    outside: Collection[str] = ()
    max_pixels: int = MAX_PIXELS


def compress_files(
    sources: Sequence[Path],
    target: Path,
    settings: FileOptions,
    lmbda: float | None = None,
    coder: str | None = None,
    options: Mapping[str, Any] | None = None,
    side: Path | None = None,
    checked: bool = True,
) -> None:
    """Compress images, and log for each a line with bytes, rate and PSNR.

    Args:
      sources: image files, folders of them, or ``-`` for standard input.
      target: the stream of one file, ``-`` for standard output; else a folder of streams with the
        names of the images, which is made if it is missing.
      settings: checkpoint, limits and permissions.
      lmbda: λ; the middle of the model's range by default.
      coder: see :class:`rdbound.coding.Codec`.
      options: the coder's options.
      side: a file that the coder ``bits-back`` encodes with one image.
      checked: whether every stream is decoded again, for its PSNR.

    Raises:
      ValueError: before anything is written, if a target exists or is one of the files that are
        read; and with a line for each image that cannot be coded, after all others were.
    """
    pairs = _pairs(sources, target, SUFFIXES, ".rdb")
    _check_targets(pairs, settings, *([] if side is None else [side]))
    if side is not None and len(pairs) > 1:
        raise ValueError(f"{side}: side information rides with one image, not {len(pairs)}")
    loaded = _loaded(settings)
    codec = Codec(loaded.model, loaded.tables, coder, settings.max_pixels, **(options or {}))
    if side is not None and not codec.coder.takes_side:
        raise ValueError(f"{side}: only the coder 'bits-back' takes side information along")
    carried = b"" if side is None else side.read_bytes()

    def one(source: Path, to: Path) -> None:
        image = read_image(_input(source), settings.max_pixels, str(source))
        encoded = codec.encode(image, lmbda, side=carried)
        line = f"{to}: {_rate(encoded, image.shape[0] * image.shape[1])}"
        if checked:
            line += f", {_psnr(codec.decode(encoded.data).datum, image)}"
        _put(to, encoded.data)
        LOG.info(line)

    _each(pairs, one)


def _rate(encoded: Encoded, pixels: int) -> str:
    """Return a file's size and rate in words."""
    count, side = len(encoded.data), encoded.side_bytes
    if not encoded.drawn_bits:
        return f"{count} bytes, {8 * count / pixels:.4f} bits per pixel"
    return (
        f"{count} bytes with {side} of side information: "
        f"{8 * (count - side) / pixels:.4f} bits per pixel, "
        f"{encoded.filled_bits / pixels:.4f} of them for lack of more"
    )


def _psnr(decoded: np.ndarray, image: np.ndarray) -> str:
    """Return the PSNR of a decoded image in words."""
    error = float(np.mean((decoded.astype(np.float64) - image) ** 2))
    return f"{psnr(error):.2f} dB" if error else "without loss"


def decompress_files(
    sources: Sequence[Path], target: Path, settings: FileOptions, side: Path | None = None
) -> None:
    """Decompress streams into image files, and log for each a line with its size.

    Args:
      sources: streams, folders of them, or ``-`` for standard input.
      target: an image file with the suffix of a lossless format, ``-`` for standard output; else
        a folder. In a folder and on standard output images are PNG.
      settings: checkpoint, limits and permissions.
      side: the file for side information.

    Raises:
      ValueError: as :func:`compress_files`, and if side information would be lost.
    """
    pairs = _pairs(sources, target, (".rdb",), ".png")
    _check_targets(pairs, settings)
    for _, to in pairs:
        if to != DASH and to.suffix.lower() not in LOSSLESS:
            raise ValueError(
                f"{to}: a decoded image is written losslessly, as one of {' '.join(LOSSLESS)}"
            )
    if side is not None and len(pairs) > 1:
        raise ValueError(f"{side}: side information is of one stream, not of {len(pairs)}")
    codecs: list[Codec] = []

    def one(source: Path, to: Path) -> None:
        data = sys.stdin.buffer.read() if source == DASH else source.read_bytes()
        _check_side(source, to, side, side_bytes(data))
        if side is not None:
            _check_targets([(source, side)], settings)
        if not codecs:
            loaded = _loaded(settings)
            codecs.append(Codec(loaded.model, loaded.tables, None, settings.max_pixels))
        decoded = _decoded(source, data, codecs[0])
        image = decoded.datum
        _put(to, _file_of(image, LOSSLESS[".png" if to == DASH else to.suffix.lower()]))
        line = f"{to}: {image.shape[1]}×{image.shape[0]} pixels"
        if side is not None:
            _put(side, decoded.side)
            line += f"; {side}: {len(decoded.side)} bytes"
        LOG.info(line)

    _each(pairs, one)


def _decoded(source: Path, data: bytes, codec: Codec) -> Decoded:
    """Return a decoded stream; raise ValueError with its name if it cannot be decoded."""
    try:
        return codec.decode(data)
    except BitstreamError as error:
        raise ValueError(f"{source}: {error}") from None


def _pairs(
    sources: Sequence[Path], target: Path, suffixes: Collection[str], suffix: str
) -> list[tuple[Path, Path]]:
    """Return every source file with its target."""
    if len(sources) == 1 and not sources[0].is_dir() and not target.is_dir():
        return [(sources[0], target)]
    if target == DASH or target.is_file():
        raise ValueError(f"{target}: several files need a folder to go to")
    pairs = []
    for source in sources:
        if source.is_dir():
            files = sorted(f for f in source.rglob("*") if f.suffix.lower() in suffixes)
            if not files:
                raise ValueError(f"{source}: no {' '.join(suffixes)} in it or below")
            pairs += [(f, target / f.relative_to(source).with_suffix(suffix)) for f in files]
        else:
            pairs.append((source, target / f"{source.stem}{suffix}"))
    known: dict[Path, Path] = {}
    for source, to in pairs:
        if to in known:
            raise ValueError(f"{known[to]} and {source} would both be {to}; code them apart")
        known[to] = source
    return pairs


def _each(pairs: Sequence[tuple[Path, Path]], one: Callable[[Path, Path], None]) -> None:
    """Call ``one`` with each pair; a failure keeps no other pair from being done."""
    wrong = []
    for source, to in pairs:
        if to != DASH and len(pairs) > 1:
            to.parent.mkdir(parents=True, exist_ok=True)
        try:
            one(source, to)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))


def _input(source: Path) -> Path | io.BytesIO:
    return io.BytesIO(sys.stdin.buffer.read()) if source == DASH else source


def _check_targets(
    pairs: Sequence[tuple[Path, Path]], settings: FileOptions, *others: Path
) -> None:
    """Raise ValueError if a target may not be written."""
    sources = [source for source, _ in pairs if source != DASH]
    inputs = [*sources, resolve(settings.checkpoint), *others]
    for _, target in pairs:
        if target == DASH:
            continue
        if len(pairs) == 1 and not target.parent.is_dir():
            raise ValueError(f"{target}: there is no folder {target.parent}")
        refuse_overwriting(target, settings.force, *inputs)


def _check_side(source: Path, target: Path, side: Path | None, count: int | None) -> None:
    """Raise ValueError if side information would be lost, or there is none to write."""
    if side is not None and side.resolve() == target.resolve():
        raise ValueError(f"{side}: image and side information need a file each")
    if side is not None and count is None:
        raise ValueError(f"{source}: carries no side information; leave --side-out away")
    if side is None and count:
        raise ValueError(
            f"{source}: carries {count} bytes of side information; give --side-out a file"
        )


def _loaded(settings: FileOptions) -> Checkpoint:
    """Return the checkpoint; raise ValueError if it is not a model of images."""
    loaded = load(settings.checkpoint, settings.outside)
    if loaded.model.stride == 1:
        raise ValueError(f"{settings.checkpoint}: a model of vectors, which codes no image")
    return loaded


def _file_of(image: np.ndarray, kind: str) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=kind)
    return buffer.getvalue()


def _put(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, or to standard output."""
    if path == DASH:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        part = Path(folder) / path.name
        part.write_bytes(data)
        os.replace(part, path)
