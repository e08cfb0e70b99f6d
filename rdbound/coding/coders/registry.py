"""Coders by name."""

from typing import Any

from rdbound.coding.coders.base import Coder
from rdbound.coding.coders.bits_back import BitsBackCoder
from rdbound.coding.coders.dithered import DitheredCoder
from rdbound.coding.coders.layered import LayeredCoder
from rdbound.coding.coders.rec.coder import RelativeEntropyCoder
from rdbound.coding.coders.rounding import RoundingCoder
from rdbound.coding.coders.vbq.coder import VBQCoder
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.utils.registry import build, find

__all__ = ["CODERS", "coders_of", "make_coder"]

CODERS: dict[str, type[Coder] | type[BitsBackCoder]] = {
    coder.name: coder
    for coder in (
        RoundingCoder,
        DitheredCoder,
        LayeredCoder,
        RelativeEntropyCoder,
        VBQCoder,
        BitsBackCoder,
    )
}
"""Every coder has its own ``code``, the byte that names it in a container."""


def coders_of(form: str) -> list[str]:
    """Return the names of the coders for models of a form; the first is the default."""
    return [name for name, coder in CODERS.items() if coder.form == form]


def make_coder(name: str, form: str, tables: Tables, /, **options: Any) -> Coder | BitsBackCoder:
    """Return a coder by name.

    Args:
      name: a name in :data:`CODERS`.
      form: the form of the model, ``bound`` or ``codec``.
      tables: the tables of its checkpoint.
      options: the coder's options.

    Raises:
      ValueError: for an unknown name or option, or a coder that serves models of another form.
    """
    if "tables" in options:
        raise ValueError(f"coder {name!r}: its tables are those of the checkpoint, not an option")
    if not find("coder", CODERS, name).serves(form):
        raise ValueError(
            f"the coder {name!r} serves no checkpoint of form {form!r}: give one of form "
            f"{CODERS[name].form!r}, or the coder {' or '.join(map(repr, coders_of(form)))}"
        )
    return build("coder", CODERS, name, {"tables": tables, **options})
