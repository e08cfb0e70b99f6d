"""Symbols ↔ bytes: integer tables, the range coder, the container and the codec.

    checkpoint = rdbound.load("res-context-4-codec")
    codec = Codec(checkpoint.model, checkpoint.tables)
    data = codec.compress(image, lmbda=0.0067)  # uint8 [h, w, 3] → bytes
    codec.decompress(data)  # uint8 [h, w, 3]

From the inside out: :mod:`~rdbound.coding.entropy.frequency_tables` (integer frequencies),
:mod:`~rdbound.coding.entropy.range_coder` (symbols through them),
:mod:`~rdbound.coding.entropy.guard_list` (which table, on machines that differ in the last digit),
a :class:`Coder` (one latent, in one of the ways of :data:`CODERS`),
:mod:`~rdbound.coding.codecs.base` (the walk over all) and :mod:`~rdbound.coding.codecs.container`
(bytes that say what they are).
"""

from rdbound.coding.codecs.bits_back.hyperprior import BitsBackCodec
from rdbound.coding.codecs.container import BitstreamError
from rdbound.coding.codecs.image import Codec
from rdbound.coding.codecs.lossless import LosslessBitsBack, LosslessCodec
from rdbound.coding.codecs.vectors import VectorCodec
from rdbound.coding.coders.registry import CODERS, make_coder

__all__ = [
    "CODERS",
    "BitsBackCodec",
    "BitstreamError",
    "Codec",
    "LosslessBitsBack",
    "LosslessCodec",
    "VectorCodec",
    "make_coder",
]
