"""What does a lossless file take? Bits-back and relative entropy coding beside PNG and its heirs.

After Flamich, Havasi & Hernández-Lobato 2020 (arXiv 2010.01185, table 1). Bits per dimension
(of pixels and colours) of real files, every byte of them, which are decoded again and compared;
in brackets the ideal, the negative evidence lower bound of the model.

    png, webp, jxl       of Pillow, each at its greatest effort (jxl: pip install pillow-jxl-plugin)
    rec                  latents by relative entropy coding, an image by itself
    bits-back, alone     a file an image: its initial bits are paid for
    bits-back, chain     each image's stream rides along in the next one's: paid for once

    python experiments/lossless.py CHECKPOINT FOLDER [--images 24] [--crops 4] [--whole 6] [--rec 1]

``--crops`` squares of 32 pixels are cut of each image, evenly spread. FLIF's published figures are
of other data: 4.37 on CIFAR-10, 5.09 and 4.55 on ImageNet of 32 and 64 pixels, where PNG takes
5.89, 6.42 and 5.74 (Hoogeboom et al. 2019, arXiv 1905.07376, table 1).
"""

import argparse
import importlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from rdbound.channels import make_channel
from rdbound.checkpoints.checkpoint import Checkpoint, load
from rdbound.coding import Codec
from rdbound.images.sets import open_images
from rdbound.objective.datum import image_datum
from rdbound.objective.objective import objective
from rdbound.report.document import Table
from rdbound.report.markdown import block_lines

SIDE = 32
DRAWS = 4  # of the latents, for the lower bound
FORMATS = {
    "png": {"optimize": True},
    "webp": {"lossless": True, "quality": 100, "method": 6},
    "jxl": {"lossless": True, "effort": 9},
}

Sizes = Callable[[Sequence[np.ndarray]], float]
"""Bytes of all images together, once each was decoded and compared."""


def squares(images: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """``count`` squares of each image, their middles evenly spread along its diagonal."""
    found = []
    for image in images:
        height, width = image.shape[:2]
        for place in (np.arange(count) + 0.5) / count:
            top, left = int(place * (height - SIDE)), int(place * (width - SIDE))
            found.append(image[top : top + SIDE, left : left + SIDE])
    return found


def of_format(name: str) -> Sizes:
    """Files of Pillow."""

    def sizes(images: Sequence[np.ndarray]) -> float:
        total = 0
        for image in images:
            file = io.BytesIO()
            Image.fromarray(image).save(file, name, **FORMATS[name])
            _compare(np.asarray(Image.open(file).convert("RGB")), image)
            total += len(file.getvalue())
        return total

    return sizes


def of_level_codec(checkpoint: Checkpoint) -> Sizes:
    """Latents by relative entropy coding, pixels after them."""
    codec = Codec(checkpoint.model, checkpoint.tables, "rec", None)

    def sizes(images: Sequence[np.ndarray]) -> float:
        total = 0
        for image in images:
            data = codec.encode(image).data
            _compare(codec.decode(data).datum, image)
            total += len(data)
        return total

    return sizes


def of_bits_back(checkpoint: Checkpoint, chain: bool) -> Sizes:
    """Files of their own, or the one file that all ride in."""
    codec = Codec(checkpoint.model, checkpoint.tables, "bits-back", None)

    def sizes(images: Sequence[np.ndarray]) -> float:
        total, data = 0, b""
        for image in images:
            data = codec.encode(image, side=data if chain else b"").data
            total += len(data)
            if not chain:
                _compare(codec.decode(data).datum, image)
        if not chain:
            return total
        whole = len(data)
        for image in reversed(images):
            decoded, data = codec.decode(data)
            _compare(decoded, image)
        return whole

    return sizes


def lower_bound(checkpoint: Checkpoint, images: Sequence[np.ndarray]) -> tuple[float, float]:
    """(bits of all images by the negative evidence lower bound, their standard error)."""
    model, channel = checkpoint.model, make_channel("gaussian")

    @jax.jit
    def bits(datum, key):
        terms = objective(model, channel, datum, key, 1.0, distortion=checkpoint.distortion)
        return terms.J * datum.pixels

    found = np.array(
        [
            [
                float(bits(image_datum(image, model.stride), key))
                for key in jax.random.split(jax.random.key(number), DRAWS)
            ]
            for number, image in enumerate(images)
        ]
    )
    error = np.sqrt(found.var(axis=1, ddof=1).sum() / DRAWS)
    return float(found.mean(axis=1).sum()), float(error)


def _compare(decoded: np.ndarray, image: np.ndarray) -> None:
    if not np.array_equal(decoded, image):
        raise SystemExit("a decoded image is not the one that was coded")


def _rows(name: str, images: Sequence[np.ndarray], checkpoint: Checkpoint, rec: int) -> list:
    """The rows of one set of images."""
    formats = [f for f in FORMATS if f.upper() in set(Image.registered_extensions().values())]
    ways = {f: (of_format(f), len(images)) for f in formats} | {
        "rec": (of_level_codec(checkpoint), min(rec, len(images))),
        "bits-back, alone": (of_bits_back(checkpoint, chain=False), len(images)),
        "bits-back, chain": (of_bits_back(checkpoint, chain=True), len(images)),
    }
    rows = []
    for way, (sizes, count) in ways.items():
        taken = images[:count]
        if not taken:
            continue
        dimensions = sum(image.size for image in taken)
        cell = f"{8 * sizes(taken) / dimensions:.3f}"
        if way not in FORMATS:
            ideal, error = lower_bound(checkpoint, taken)
            cell += f" ({ideal / dimensions:.3f} ± {error / dimensions:.3f})"
        rows.append((name, way, str(count), cell))
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Code, decode, compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="of a lossless model")
    parser.add_argument("path", type=Path, help="folder of images")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--crops", type=int, default=4, help="squares of each")
    parser.add_argument("--whole", type=int, default=6, help="images that are coded whole")
    parser.add_argument("--rec", type=int, default=1, help="of these by relative entropy coding")
    arguments = parser.parse_args()
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        print("no jxl: pip install pillow-jxl-plugin")
    checkpoint = load(arguments.checkpoint)
    of = open_images("folder", str(arguments.path)).take(arguments.images)
    images = [of[i] for i in range(len(of))]
    cut = squares(images, arguments.crops)
    rows = _rows(f"{SIDE}×{SIDE}", cut, checkpoint, len(cut))
    rows += _rows("whole", images[: arguments.whole], checkpoint, arguments.rec)
    header = ("images", "way", "how many", "bits per dimension (ideal)")
    print("\n".join(block_lines(Table(header, rows))))


if __name__ == "__main__":
    main()
