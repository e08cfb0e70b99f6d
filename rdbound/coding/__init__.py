"""Symbols ↔ bytes: integer tables, the range coder, the container and the codec.

    checkpoint = rdbound.load("res-context-4-codec")
    codec = Codec(checkpoint.model, checkpoint.tables)
    data = codec.compress(image, lmbda=0.0067)  # uint8 [h, w, 3] → bytes
    codec.decompress(data)  # uint8 [h, w, 3]

From the inside out: :mod:`~rdbound.coding.tables` (integer frequencies),
:mod:`~rdbound.coding.range_coder` (symbols through them), :mod:`~rdbound.coding.guard`
(which table, on machines that differ in the last digit), a :class:`Coder` (one latent, in one of
the ways of :data:`CODERS`),
:mod:`~rdbound.coding.level_codec` (the walk over all) and :mod:`~rdbound.coding.container`
(bytes that say what they are).
"""

from rdbound.coding.bits_back import BitsBackCodec
from rdbound.coding.codec import Codec
from rdbound.coding.coders import CODERS, make_coder
from rdbound.coding.container import BitstreamError
from rdbound.coding.lossless import LosslessBitsBack, LosslessCodec
from rdbound.coding.vector_codec import VectorCodec

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
