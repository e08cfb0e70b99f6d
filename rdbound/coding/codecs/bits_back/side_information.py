"""Side information: bytes that ride along in a stream, and what stands in for them.

Latents are drawn from a stack on which they lie; below them lie words of a known generator,
as many as are drawn beyond what there is. What the draws left is the payload's second part.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rdbound.coding.codecs.container import (
    BITS_BACK,
    BitstreamError,
    Header,
    named_coder,
    write_container,
)
from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.shared_randomness import shared_integers

__all__ = [
    "SideStack",
    "Told",
    "joined",
    "own_side",
    "side_bytes",
    "side_stack",
    "split",
    "told_container",
    "told_parameters",
    "without_filling",
]


class Told(NamedTuple):
    """A container and what was paid for.

    Attributes:
      data: the container, with the side information in it.
      drawn: bits that latents were drawn with: what the decoder gets back.
      filled: of these, bits that the side information did not have.
    """

    data: bytes
    drawn: float
    filled: int


def side_bytes(data: bytes) -> int:
    """Bytes of side information that a container of any coder carries; they are nobody's rate."""
    found = named_coder(data)
    if found is None or found[0] != BITS_BACK:
        return 0
    side = found[1].get("side")
    return side if type(side) is int and side >= 0 else 0


def own_side(count: int) -> bytes:
    """Side information of a codec's own, as much as ``count`` latents can take."""
    return shared_integers(1, 0, count // 2 + 64).tobytes()


class SideStack(NamedTuple):
    """A stack of side information once latents were drawn from it.

    Attributes:
      stack: what is left.
      filled: known words beneath the side information.
      drawn: bits that the draws took.
    """

    stack: BitStack
    filled: int
    drawn: float


def side_stack(side: bytes, count: int, draw: Callable[[BitStack], Any]) -> SideStack:
    """The side information with as many known words beneath as are drawn, once they are drawn.

    Args:
      side: what rides along.
      count: of the latents that are drawn; none takes more than 64 bits.
      draw: takes them from a stack; called twice, with the same on top.
    """
    above = np.frombuffer(side + b"\0" * (-len(side) % 4), "<u4").astype(np.uint32)
    stack = BitStack(np.concatenate([_filling(2 * count + 64), above]), whole=True)
    before = stack.bits
    draw(stack)
    drawn = before - stack.bits
    wanted = -(-drawn // 32) + 2  # the coder's own state beside
    filled = max(0, wanted - len(above))
    stack = BitStack(np.concatenate([_filling(filled), above]), whole=True)
    draw(stack)
    return SideStack(stack, filled, drawn)


def _filling(count: int) -> np.ndarray:
    """Known words, uint32 [count]: the same on top however many there are beneath."""
    return (shared_integers(0, 0, count) >> np.uint64(32)).astype(np.uint32)[::-1]


def without_filling(words: np.ndarray, filled: int, length: int) -> bytes | None:
    """The side information; None where the words are not what the encoder began with."""
    if len(words) != filled + -(-length // 4):
        return None
    above = words[filled:].astype("<u4").tobytes()
    whole = np.array_equal(words[:filled], _filling(filled)) and not any(above[length:])
    return above[:length] if whole else None


def told_parameters(header: Header, **limits: int) -> list[int]:
    """Bytes of side information, words filled up, and other integers of the header in order.

    Args:
      header: of a stream with side information.
      limits: the names of the others, each with what it must be below.

    Raises :class:`rdbound.coding.codecs.container.BitstreamError` where one is none.
    """
    known = {"side": 2**40, "filled": 2**32} | limits
    found = [header.parameters.get(name) for name in known]
    if not all(type(x) is int and 0 <= x < m for x, m in zip(found, known.values(), strict=True)):
        raise BitstreamError("malformed header: the parameters of bits-back are not integers")
    return found  # type: ignore[return-value]


def told_container(header: Header, text: bytes, of: SideStack) -> Told:
    """The container of what was written beside the stack, and of the stack."""
    data = write_container(header, joined(text, of.stack.words))
    return Told(data, of.drawn, max(0, of.drawn - 8 * header.parameters["side"]))


def joined(text: bytes, words: np.ndarray) -> bytes:
    """The payload of a stream and a stack's words."""
    return len(text).to_bytes(4, "little") + text + words.astype("<u4").tobytes()


def split(payload: bytes) -> tuple[bytes, np.ndarray]:
    """The inverse of :func:`joined`; raises BitstreamError where it is of no use."""
    length = int.from_bytes(payload[:4], "little")
    words = payload[4 + length :]
    if len(payload) < 4 + length or len(words) % 4:
        raise BitstreamError("malformed payload: its parts do not fit")
    return payload[4 : 4 + length], np.frombuffer(words, "<u4").astype(np.uint32)
