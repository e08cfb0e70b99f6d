"""Codecs of images by the name of what writes: a coder of levels, or bits-back.

Where the model says a distribution of pixels they are lossless.
"""

from functools import partial
from typing import Any

from rdbound.coding.codecs.bits_back.hyperprior import BitsBackCodec, CarryingCodec
from rdbound.coding.codecs.image import Codec
from rdbound.coding.codecs.limits import MAX_PIXELS
from rdbound.coding.codecs.lossless import LosslessBitsBack, LosslessCodec
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.models.base import LatentModel, is_lossless
from rdbound.utils.registry import build

__all__ = ["bits_back_codec", "image_codec", "level_codec", "uses_bits_back"]


def image_codec(
    model: LatentModel,
    tables: Tables | None = None,
    coder: str | None = None,
    max_pixels: int | None = MAX_PIXELS,
    **options: Any,
) -> Codec | CarryingCodec:
    """The codec that writes by ``coder``.

    Args: as of :class:`rdbound.coding.Codec`; ``bits-back`` is a coder here too, and that of
    lossless models by default. Raises ValueError as what is built does.
    """
    if uses_bits_back(model, coder):
        return CarryingCodec(bits_back_codec(model, tables, max_pixels, **options))
    return level_codec(model, tables, coder, max_pixels, **options)


def level_codec(
    model: LatentModel,
    tables: Tables | None = None,
    coder: str | None = None,
    max_pixels: int | None = MAX_PIXELS,
    **options: Any,
) -> Codec:
    """The codec that writes by a coder of levels, lossless where the model is.

    Args: as of :class:`rdbound.coding.Codec`. Raises ValueError as it does.
    """
    kind = LosslessCodec if is_lossless(model) else Codec
    return kind(model, tables, coder, max_pixels, **options)


def uses_bits_back(model: LatentModel, coder: str | None) -> bool:
    """Whether what writes by ``coder``, or by default, is bits-back."""
    return coder == BitsBackCodec.name or (coder is None and is_lossless(model))


def bits_back_codec(
    model: LatentModel,
    tables: Tables | None = None,
    max_pixels: int | None = MAX_PIXELS,
    **options: Any,
) -> BitsBackCodec | LosslessBitsBack:
    """Bits-back with options that a user gave, lossless where the model is.

    Args: as of :class:`BitsBackCodec`. Raises ValueError for an option that it does not take.
    """
    kind = LosslessBitsBack if is_lossless(model) else BitsBackCodec
    make = partial(kind, model, tables, max_pixels)
    return build("coder", {BitsBackCodec.name: make}, BitsBackCodec.name, options)
