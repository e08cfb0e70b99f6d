"""Symbols ↔ bytes: integer tables, the range coder, the container and the codec."""

from rdbound.coding.codec import CODERS, Codec, VectorCodec, make_coder
from rdbound.coding.container import BitstreamError

__all__ = ["CODERS", "BitstreamError", "Codec", "VectorCodec", "make_coder"]
