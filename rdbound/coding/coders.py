"""Coders: the ways to convey latents in bytes, by name."""

from collections.abc import Callable
from typing import Any

from rdbound.coding.base import Coder
from rdbound.coding.rounding import RoundingCoder
from rdbound.coding.tables import Tables
from rdbound.registry import build

__all__ = ["CODERS", "make_coder"]

CODERS: dict[str, Callable[..., Coder]] = {"rounding": RoundingCoder}
"""Each with a ``code`` of its own, the byte by which a container names it."""


def make_coder(name: str, tables: Tables, /, **options: Any) -> Coder:
    """The coder called ``name``, with the tables of a checkpoint and its own options.

    Raises ValueError for an unknown name or option.
    """
    if "tables" in options:
        raise ValueError(f"coder {name!r}: its tables are those of the checkpoint, not an option")
    return build("coder", CODERS, name, {"tables": tables, **options})
