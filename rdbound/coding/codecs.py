"""Codecs of images by the name of what writes: a coder of levels, or bits-back."""

from typing import Any

from rdbound.coding.bits_back import STEPS, BitsBackCodec, CarryingCodec
from rdbound.coding.codec import Codec
from rdbound.coding.limits import MAX_PIXELS
from rdbound.coding.tables import Tables
from rdbound.models.base import LatentModel
from rdbound.registry import checked_options

__all__ = ["bits_back_codec", "image_codec"]


def image_codec(
    model: LatentModel,
    tables: Tables | None = None,
    coder: str | None = None,
    max_pixels: int | None = MAX_PIXELS,
    **options: Any,
) -> Codec | CarryingCodec:
    """The codec that writes by ``coder``.

    Args: as of :class:`rdbound.coding.Codec`; ``bits-back`` is a coder here too.
    Raises ValueError as what is built does.
    """
    if coder == BitsBackCodec.name:
        return CarryingCodec(bits_back_codec(model, tables, max_pixels, **options))
    return Codec(model, tables, coder, max_pixels, **options)


def bits_back_codec(
    model: LatentModel,
    tables: Tables | None = None,
    max_pixels: int | None = MAX_PIXELS,
    **options: Any,
) -> BitsBackCodec:
    """The same with options that a user gave.

    Args: as of :class:`BitsBackCodec`. Raises ValueError for an option that it does not take.
    """
    checked = checked_options(f"coder {BitsBackCodec.name!r}", _options, options)
    return BitsBackCodec(model, tables, max_pixels, **checked)


def _options(steps: int = STEPS) -> None:
    """What a user may choose."""
