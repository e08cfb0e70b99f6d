"""Codecs: data to bytes and back.

    checkpoint = rdbound.load("res-context-4-codec")
    codec = Codec(checkpoint.model, checkpoint.tables)
    data = codec.encode(image, lmbda=0.0067).data  # uint8 [h, w, 3] → bytes
    codec.decode(data).datum  # uint8 [h, w, 3]

From the inside out: :mod:`~rdbound.coding.entropy.frequency_tables` (integer frequencies),
:mod:`~rdbound.coding.entropy.range_coder` (symbols through them),
:mod:`~rdbound.coding.entropy.guard_list` (which table, on machines that differ in the last digit),
a coder of :data:`CODERS` (how a latent is conveyed), :mod:`~rdbound.coding.codecs.codec` (all
latents of a datum) and :mod:`~rdbound.coding.codecs.container` (the header of a file).
"""

from rdbound.coding.codecs.base import Decoded, Encoded
from rdbound.coding.codecs.codec import Codec
from rdbound.coding.codecs.container import BitstreamError
from rdbound.coding.coders.registry import CODERS, make_coder

__all__ = ["CODERS", "BitstreamError", "Codec", "Decoded", "Encoded", "make_coder"]
