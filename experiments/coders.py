"""What does each coder write for one image, and how long does it take?

For every coder: the ideal bits of the channel that it realizes, the bytes that it writes (of
bits-back less the side information), what these are over the ideal, PSNR of the channel's
samples and of the decoded image (bits-back infers a better posterior of its side than the model's,
whose ideal this is, and may be below it), and the seconds of the second encoding and decoding, when
programs are compiled.

    python experiments/coders.py [--image FILE] [--lmbda 0.0067]
"""

import argparse
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rdbound.channels import Channel, make_channel
from rdbound.checkpoints.checkpoint import load
from rdbound.coding import CODERS, Codec
from rdbound.coding.coders.vbq.coder import VBQCoder, vbq_channel
from rdbound.images.files import read_image
from rdbound.images.sets import open_images
from rdbound.objective.datum import image_datum
from rdbound.objective.objective import eight_bit, objective
from rdbound.ops.image_quality import psnr
from rdbound.report.document import Table
from rdbound.report.markdown import block_lines

HEADER = (
    "coder",
    "channel",
    "ideal bits",
    "bits written",
    "over, %",
    "PSNR, ideal",
    "PSNR",
    "encode, s",
    "decode, s",
)
SAMPLES = 4


def ideal(model: Any, channel: Channel, image: np.ndarray, lmbda: float) -> tuple[float, float]:
    """(bits, MSE of the 8-bit output) of a channel, means over samples."""
    datum = image_datum(image, model.stride)
    one = jax.jit(lambda key: objective(model, channel, datum, key, lmbda, decode=eight_bit))
    found = [one(jax.random.key(k)) for k in range(SAMPLES)]
    bits = np.mean([np.sum([float(b) for b in f.bits]) for f in found])
    return float(bits), float(np.mean([float(f.distortion) for f in found]))


def row(coder: str, channel: str, checkpoint: Any, image: np.ndarray, lmbda: float) -> tuple:
    """The cells of one coder."""
    points = channel == VBQCoder.channel
    of = vbq_channel(checkpoint.tables or {}) if points else make_channel(channel)
    bits, mse = ideal(checkpoint.model, of, image, lmbda)
    codec = Codec(checkpoint.model, checkpoint.tables, coder, max_pixels=None)
    codec.decode(codec.encode(image, lmbda).data)
    began = time.perf_counter()
    file = codec.encode(image, lmbda)
    encoded = time.perf_counter()
    decoded = codec.decode(file.data).datum
    seconds = encoded - began, time.perf_counter() - encoded
    count = 8 * (len(file.data) - file.side_bytes)
    error = float(np.mean((image.astype(np.float64) - decoded) ** 2))
    return (
        coder,
        channel,
        f"{bits:.0f}",
        str(count),
        f"{100 * (count / bits - 1):+.2f}",
        f"{psnr(mse, 255.0):.2f}",
        f"{psnr(error, 255.0):.2f}",
        f"{seconds[0]:.1f}",
        f"{seconds[1]:.1f}",
    )


def main() -> None:
    """Print the table, line by line and then whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bound", default="res-hyper-4-bound")
    parser.add_argument("--codec", default="res-hyper-4-codec")
    parser.add_argument("--lmbda", type=float, default=0.0067)
    parser.add_argument("--image", type=Path, help="a photograph; a bundled crop by default")
    arguments = parser.parse_args()
    given = arguments.image
    image = open_images("bundled-crops")[0] if given is None else read_image(given)
    checkpoints = {"bound": load(arguments.bound), "codec": load(arguments.codec)}
    kinds = {name: (coder.channel, coder.form) for name, coder in CODERS.items()}
    rows = []
    if checkpoints["bound"].tables is None:
        del kinds[VBQCoder.name]
        print("no vbq: --bound has no code points; rdbound calibrate makes a copy that has")
    for name, (channel, form) in kinds.items():
        rows.append(row(name, channel, checkpoints[form], image, arguments.lmbda))
        print(rows[-1], flush=True)
    print("\n".join(block_lines(Table(HEADER, rows))))


if __name__ == "__main__":
    main()
