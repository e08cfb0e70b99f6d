"""What the examples of a table are called: images of pixels, or blocks of dimensions."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdbound.tables.rd import BLOCK, MEAN, Row, is_squared

__all__ = ["Words", "distortion_words", "mse_words", "words_of"]


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
    names = set(images) - {MEAN}
    vectors = bool(names) and all(name.startswith(BLOCK) for name in names)
    return Words("block", "dimension") if vectors else Words("image", "pixel")


def distortion_words(rows: Sequence[Row]) -> str:
    """What D of J = R + λ·D is in some rows, as far as their J tells."""
    if not all(map(is_squared, rows)):
        return "the distortion that the model was trained for"
    scale = " on 0–255" if words_of(row.image for row in rows).unit == "pixel" else ""
    return f"the mean squared error{scale}"


def mse_words(mse: float) -> str:
    """Two decimals on the scale of images; the squared errors of vectors may be small."""
    return f"{mse:.2f}" if mse >= 2.0 else f"{mse:.4g}"
