"""Symbols ↔ bytes: integer tables, the range coder, the container and the codec."""

from rdbound.coding.codec import Codec
from rdbound.coding.container import BitstreamError

__all__ = ["BitstreamError", "Codec"]
