"""What the examples of a table are called: images of pixels, or blocks of dimensions."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdbound.tables.rd import BLOCK, MEAN, Row, is_squared

__all__ = ["Words", "distortion_words", "mse_words", "words_of"]


class Words(NamedTuple):
    """The words for the examples of a table.

    Attributes:
      item: one example, ``image`` or ``block``.
      unit: unit that rates are per, ``pixel`` or ``dimension``.
    """

    item: str
    unit: str

    @property
    def article(self) -> str:
        """The article of the item."""
        return "an" if self.item[0] in "aeiou" else "a"

    def counted(self, number: int) -> str:
        """Return a number of items in words: ``3 images``."""
        return f"{number} {self.item}{'' if number == 1 else 's'}"


def words_of(images: Iterable[str]) -> Words:
    """Return the words for examples of these names, of the column ``image`` of a table."""
    names = set(images) - {MEAN}
    vectors = bool(names) and all(name.startswith(BLOCK) for name in names)
    return Words("block", "dimension") if vectors else Words("image", "pixel")


def distortion_words(rows: Sequence[Row]) -> str:
    """Return what D of J = R + λ·D is in some rows, inferred from their J."""
    if not all(map(is_squared, rows)):
        return "the distortion that the model was trained for"
    scale = " on 0–255" if words_of(row.image for row in rows).unit == "pixel" else ""
    return f"the mean squared error{scale}"


def mse_words(mse: float) -> str:
    """Return an MSE as text: two decimals on the scale of images, more if it is small."""
    return f"{mse:.2f}" if mse >= 2.0 else f"{mse:.4g}"
