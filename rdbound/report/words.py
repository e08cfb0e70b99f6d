"""What the examples of a table are called: images of pixels, or blocks of dimensions."""

from collections.abc import Iterable
from typing import NamedTuple

from rdbound.tables.rd import BLOCK

__all__ = ["Words", "words_of"]


class Words(NamedTuple):
    """``item``, singular, and ``unit``, what a rate is per."""

    item: str
    unit: str

    @property
    def article(self) -> str:
        """``an`` image, ``a`` block."""
        return "an" if self.item[0] in "aeiou" else "a"

    def counted(self, number: int) -> str:
        """``3 images``."""
        return f"{number} {self.item}{'' if number == 1 else 's'}"


def words_of(images: Iterable[str]) -> Words:
    """Of the names in the column ``image`` (``mean`` says nothing)."""
    names = set(images) - {"mean"}
    vectors = bool(names) and all(name.startswith(BLOCK) for name in names)
    return Words("block", "dimension") if vectors else Words("image", "pixel")
