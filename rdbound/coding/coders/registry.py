"""Coders: the ways to convey latents in bytes, by name."""

from typing import Any

from rdbound.coding.coders.base import Coder
from rdbound.coding.coders.dithered import DitheredCoder
from rdbound.coding.coders.layered import LayeredCoder
from rdbound.coding.coders.rec.coder import RelativeEntropyCoder
from rdbound.coding.coders.rounding import RoundingCoder
from rdbound.coding.coders.vbq.coder import VBQCoder
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.utils.registry import build, find

__all__ = ["CODERS", "coders_of", "make_coder"]

CODERS: dict[str, type[Coder]] = {
    of.name: of
    for of in (RoundingCoder, DitheredCoder, LayeredCoder, RelativeEntropyCoder, VBQCoder)
}
"""Each with a ``code`` of its own, the byte by which a container names it."""


def coders_of(form: str) -> list[str]:
    """The names of those that serve models of a form; the first is the one taken by default."""
    return [name for name, coder in CODERS.items() if coder.form == form]


def make_coder(name: str, form: str, tables: Tables, /, **options: Any) -> Coder:
    """The coder called ``name``, with the tables of a checkpoint and its own options.

    Args:
      name: in :data:`CODERS`.
      form: of the model.
      tables: of its checkpoint.
      options: of the coder.

    Raises ValueError for an unknown name or option, or a coder that serves another form.
    """
    if "tables" in options:
        raise ValueError(f"coder {name!r}: its tables are those of the checkpoint, not an option")
    if find("coder", CODERS, name).form != form:
        raise ValueError(
            f"the coder {name!r} serves no checkpoint of form {form!r}: give one of form "
            f"{CODERS[name].form!r}, or the coder {' or '.join(map(repr, coders_of(form)))}"
        )
    return build("coder", CODERS, name, {"tables": tables, **options})
