"""The codec on files: images into streams and back, nothing of the user's lost on the way."""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rdbound.checkpoints.checkpoint import Checkpoint, load, resolve
from rdbound.coding import BitsBackCodec, BitstreamError, Codec
from rdbound.coding.codecs.bits_back.side_information import side_bytes
from rdbound.coding.codecs.container import named_coder
from rdbound.coding.codecs.factory import bits_back_codec, level_codec, uses_bits_back
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
    """What compressing and decompressing are told alike.

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
    of: FileOptions,
    lmbda: float | None = None,
    coder: str | None = None,
    options: Mapping[str, Any] | None = None,
    side: Path | None = None,
    checked: bool = True,
) -> None:
    """Code images; says a line for each, with bytes, rate and PSNR.

    Args:
      sources: image files, folders of such, or ``-`` for standard input.
      target: of the stream of one file, ``-`` for standard output; else a folder, which is made,
        of streams by the names of the images.
      of: see :class:`FileOptions`.
      lmbda: the trade-off, the middle of the model's range by default.
      coder: see :class:`rdbound.coding.Codec`.
      options: of the coder.
      side: a file that rides along with one image, by the coder ``bits-back``.
      checked: whether every stream is decoded again, for its PSNR.

    Raises ValueError as what it calls does, and where a target is there already, or is one of
    the files that are read: before anything is written. Where several are coded and one cannot
    be, the others are, and ValueError has a line for each that was not.
    """
    pairs = _pairs(sources, target, SUFFIXES, ".rdb")
    _check_targets(pairs, of, *([] if side is None else [side]))
    if side is not None and len(pairs) > 1:
        raise ValueError(f"{side}: side information rides with one image, not {len(pairs)}")
    loaded = _loaded(of)
    carries = uses_bits_back(loaded.model, coder)
    if side is not None and not carries:
        raise ValueError(f"{side}: only the coder 'bits-back' takes side information along")
    make = bits_back_codec if carries else partial(level_codec, coder=coder)
    codec = make(loaded.model, loaded.tables, max_pixels=of.max_pixels, **(options or {}))
    carried = b"" if side is None else side.read_bytes()

    def one(source: Path, to: Path) -> None:
        image = read_image(_input(source), of.max_pixels, str(source))
        data, told = _told(codec, image, lmbda, carried)
        psnr_told = f", {_psnr(codec, data, image)}" if checked else ""
        _put(to, data)
        LOG.info(f"{to}: {told}{psnr_told}")

    _each(pairs, one)


def _told(codec: Any, image: np.ndarray, lmbda: float | None, side: bytes) -> tuple[bytes, str]:
    """The stream of an image, and its rate in words."""
    pixels = image.shape[0] * image.shape[1]
    if isinstance(codec, Codec):
        data = codec.compress(image, lmbda)
        return data, f"{len(data)} bytes, {8 * len(data) / pixels:.4f} bits per pixel"
    told = codec.compress(image, lmbda, side)
    return told.data, (
        f"{len(told.data)} bytes with {len(side)} of side information: "
        f"{8 * (len(told.data) - len(side)) / pixels:.4f} bits per pixel, "
        f"{told.filled / pixels:.4f} of them for lack of more"
    )


def _psnr(codec: Any, data: bytes, image: np.ndarray) -> str:
    decoded = codec.decompress(data)
    back = decoded if isinstance(codec, Codec) else decoded[0]
    error = float(np.mean((back.astype(np.float64) - image) ** 2))
    return f"{psnr(error):.2f} dB" if error else "without loss"


def decompress_files(
    sources: Sequence[Path], target: Path, of: FileOptions, side: Path | None = None
) -> None:
    """Decode streams into image files; says a line for each, with its size.

    Args: as of :func:`compress_files`; a ``target`` file has the suffix of a lossless format,
    in a folder and on standard output images are PNG; ``side`` is where side information is
    written. Raises ValueError as there.
    """
    pairs = _pairs(sources, target, (".rdb",), ".png")
    _check_targets(pairs, of)
    for _, to in pairs:
        if to != DASH and to.suffix.lower() not in LOSSLESS:
            raise ValueError(
                f"{to}: a decoded image is written losslessly, as one of {' '.join(LOSSLESS)}"
            )
    if side is not None and len(pairs) > 1:
        raise ValueError(f"{side}: side information is of one stream, not of {len(pairs)}")
    loaded: list[Checkpoint] = []

    def one(source: Path, to: Path) -> None:
        data = sys.stdin.buffer.read() if source == DASH else source.read_bytes()
        carries = (named_coder(data) or (0,))[0] == BitsBackCodec.code
        _check_side(source, to, side, carries, side_bytes(data))
        if side is not None:
            _check_targets([(source, side)], of)
        if not loaded:
            loaded.append(_loaded(of))
        image, carried = _decoded(source, data, loaded[0], carries, of.max_pixels)
        _put(to, _encoded(image, LOSSLESS[".png" if to == DASH else to.suffix.lower()]))
        told = f"{to}: {image.shape[1]}×{image.shape[0]} pixels"
        if side is not None:
            _put(side, carried)
            told += f"; {side}: {len(carried)} bytes"
        LOG.info(told)

    _each(pairs, one)


def _decoded(
    source: Path, data: bytes, loaded: Checkpoint, carries: bool, max_pixels: int
) -> tuple[np.ndarray, bytes]:
    """(the image, the side information) of a stream."""
    try:
        if carries:
            return bits_back_codec(loaded.model, loaded.tables, max_pixels).decompress(data)
        codec = level_codec(loaded.model, loaded.tables, None, max_pixels)
        return codec.decompress(data), b""
    except BitstreamError as error:
        raise ValueError(f"{source}: {error}") from None


def _pairs(
    sources: Sequence[Path], target: Path, suffixes: Collection[str], suffix: str
) -> list[tuple[Path, Path]]:
    """Every file with its target."""
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
    """Run ``one`` of each pair; a failure keeps no other from being done."""
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


def _check_targets(pairs: Sequence[tuple[Path, Path]], of: FileOptions, *others: Path) -> None:
    inputs = [*(source for source, _ in pairs if source != DASH), resolve(of.checkpoint), *others]
    for _, target in pairs:
        if target == DASH:
            continue
        if len(pairs) == 1 and not target.parent.is_dir():
            raise ValueError(f"{target}: there is no folder {target.parent}")
        refuse_overwriting(target, of.force, *inputs)


def _check_side(source: Path, target: Path, side: Path | None, carries: bool, count: int) -> None:
    """Raise ValueError where side information would be lost, or there is none to be had."""
    if side is not None and side.resolve() == target.resolve():
        raise ValueError(f"{side}: image and side information need a file each")
    if side is not None and not carries:
        raise ValueError(f"{source}: carries no side information; leave --side-out away")
    if side is None and count:
        raise ValueError(
            f"{source}: carries {count} bytes of side information; give --side-out a file"
        )


def _loaded(of: FileOptions) -> Checkpoint:
    loaded = load(of.checkpoint, of.outside)
    if loaded.model.stride == 1:
        raise ValueError(f"{of.checkpoint}: a model of vectors, which codes no image")
    return loaded


def _encoded(image: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=kind)
    return buffer.getvalue()


def _put(path: Path, data: bytes) -> None:
    """Whole or not at all, by way of a file that nobody else has; or to standard output."""
    if path == DASH:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        part = Path(folder) / path.name
        part.write_bytes(data)
        os.replace(part, path)
