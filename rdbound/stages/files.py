"""The codec on files: an image into a stream and back, nothing of the user's lost on the way."""

import io
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rdbound.checkpoint import Checkpoint, load, resolve
from rdbound.coding import BitsBackCodec, BitstreamError
from rdbound.coding.codecs import bits_back_codec, level_codec, uses_bits_back
from rdbound.coding.container import named_coder
from rdbound.coding.limits import MAX_PIXELS
from rdbound.coding.side import side_bytes
from rdbound.images.files import read_image

__all__ = ["compress_file", "decompress_file", "refuse_overwriting"]

LOSSLESS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".ppm": "PPM"}


def compress_file(
    source: Path,
    target: Path,
    checkpoint: str,
    lmbda: float | None = None,
    force: bool = False,
    outside: Collection[str] = (),
    max_pixels: int = MAX_PIXELS,
    coder: str | None = None,
    options: Mapping[str, Any] | None = None,
    side: Path | None = None,
) -> str:
    """Code an image; returns a line that tells bytes and rate.

    Args:
      source: an image file.
      target: of the stream.
      checkpoint: a file or a name.
      lmbda: the trade-off, the middle of the model's range by default.
      force: overwrite the target.
      outside: see :func:`rdbound.checkpoint.load`.
      max_pixels: a larger image is refused before it is decoded.
      coder: see :class:`rdbound.coding.Codec`.
      options: of the coder.
      side: a file that rides along, by the coder ``bits-back``.

    Raises ValueError as what it calls does, and where ``target`` is there already, or is
    one of the files that are read.
    """
    others = [] if side is None else [side]
    _check_target(target, force, source, resolve(checkpoint), *others)
    loaded = _loaded(checkpoint, outside)
    carries = uses_bits_back(loaded.model, coder)
    if side is not None and not carries:
        raise ValueError(f"{side}: only the coder 'bits-back' takes side information along")
    image = read_image(source, max_pixels)
    pixels, options = image.shape[0] * image.shape[1], options or {}
    if carries:
        carrying = bits_back_codec(loaded.model, loaded.tables, max_pixels, **options)
        carried = b"" if side is None else side.read_bytes()
        told = carrying.compress(image, lmbda, carried)
        _write(target, told.data)
        return (
            f"{target}: {len(told.data)} bytes with {len(carried)} of side information: "
            f"{8 * (len(told.data) - len(carried)) / pixels:.4f} bits per pixel, "
            f"{told.filled / pixels:.4f} of them for lack of more"
        )
    codec = level_codec(loaded.model, loaded.tables, coder, max_pixels, **options)
    data = codec.compress(image, lmbda)
    _write(target, data)
    return f"{target}: {len(data)} bytes, {8 * len(data) / pixels:.4f} bits per pixel"


def decompress_file(
    source: Path,
    target: Path,
    checkpoint: str,
    force: bool = False,
    outside: Collection[str] = (),
    max_pixels: int = MAX_PIXELS,
    side: Path | None = None,
) -> str:
    """Decode a stream into an image file; returns a line that tells its size.

    Args: as of :func:`compress_file`; ``target`` has the suffix of a lossless format;
    ``side`` is where side information is written.
    Raises ValueError as there.
    """
    _check_target(target, force, source, resolve(checkpoint))
    kind = target.suffix.lower()
    if kind not in LOSSLESS:
        raise ValueError(
            f"{target}: a decoded image is written losslessly, as one of {' '.join(LOSSLESS)}"
        )
    data = source.read_bytes()
    carries = (named_coder(data) or (0,))[0] == BitsBackCodec.code
    _check_side(source, target, side, carries, side_bytes(data))
    if side is not None:
        _check_target(side, force, source, resolve(checkpoint))
    loaded = _loaded(checkpoint, outside)
    try:
        if carries:
            codec = bits_back_codec(loaded.model, loaded.tables, max_pixels)
            image, carried = codec.decompress(data)
        else:
            image = level_codec(loaded.model, loaded.tables, None, max_pixels).decompress(data)
    except BitstreamError as error:
        raise ValueError(f"{source}: {error}") from None
    _write(target, _encoded(image, LOSSLESS[kind]))
    told = f"{target}: {image.shape[1]}×{image.shape[0]} pixels"
    if side is None:
        return told
    _write(side, carried)
    return f"{told}; {side}: {len(carried)} bytes"


def refuse_overwriting(path: Path, force: bool, *inputs: Path) -> Path:
    """``path``, where it may be written.

    Raises ValueError where it is one of the ``inputs``, by whatever name, or where it is
    there and ``force`` is not given.
    """
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise ValueError(f"{path} would replace {source}, which is read; give another name")
    if path.exists() and not force:
        raise ValueError(f"{path} exists already; give another name" + (
            " or --force" if path.suffix != ".csv" else ""))  # fmt: skip
    return path


def _check_target(target: Path, force: bool, *inputs: Path) -> None:
    if not target.parent.is_dir():
        raise ValueError(f"{target}: there is no folder {target.parent}")
    refuse_overwriting(target, force, *inputs)


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


def _loaded(checkpoint: str, outside: Collection[str]) -> Checkpoint:
    loaded = load(checkpoint, outside)
    if loaded.model.stride == 1:
        raise ValueError(f"{checkpoint}: a model of vectors, which codes no image")
    return loaded


def _encoded(image: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=kind)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, by way of a file that nobody else has."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        part = Path(folder) / path.name
        part.write_bytes(data)
        os.replace(part, path)
