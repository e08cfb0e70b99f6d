"""Side information of bits-back: bytes that are encoded with a datum and returned by the decoder.

Latents are drawn from a stack on which the side information lies; below it lie words of a known
generator, as many as the draws take beyond the side information. The words that the draws leave
are the second part of the payload.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rdbound.coding.codecs.base import Payload
from rdbound.coding.codecs.container import BitstreamError, Header, named_coder
from rdbound.coding.codecs.errors import OTHER_ARITHMETIC
from rdbound.coding.coders.bits_back import BitsBackCoder
from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.range_coder import Writer
from rdbound.coding.entropy.shared_randomness import shared_integers

__all__ = [
    "SIDE_PARAMETERS",
    "SideStack",
    "own_side",
    "side_bytes",
    "side_parameters",
    "side_payload",
    "side_stack",
    "split",
    "without_filling",
]

SIDE_PARAMETERS = ("filled", "side")
"""Entries of the header's parameters that are no options of the coder."""


def side_bytes(data: bytes) -> int | None:
    """Return the bytes of side information that a file declares; None if its coder takes none."""
    found = named_coder(data)
    if found is None or found[0] != BitsBackCoder.code:
        return None
    side = found[1].get("side")
    return side if type(side) is int and side >= 0 else 0


def own_side(count: int) -> bytes:
    """Return pseudo-random side information, as much as ``count`` latents can take."""
    return shared_integers(1, 0, count // 2 + 64).tobytes()


class SideStack(NamedTuple):
    """The stack of side information after the draws.

    Attributes:
      stack: what is left.
      filled: number of known words beneath the side information.
      drawn: bits that the draws took.
    """

    stack: BitStack
    filled: int
    drawn: int


def side_stack(side: bytes, count: int, draw: Callable[[BitStack], Any]) -> SideStack:
    """Draw latents from side information, with as many known words beneath it as are needed.

    Args:
      side: the side information.
      count: number of latents; none takes more than 64 bits.
      draw: pops the latents from a stack; called twice, with the same words on top.
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
    """Return known words, uint32 [count]: the last ones are the same for every count."""
    return (shared_integers(0, 0, count) >> np.uint64(32)).astype(np.uint32)[::-1]


def without_filling(words: np.ndarray, filled: int, length: int) -> bytes:
    """Return the side information.

    Raises:
      BitstreamError: if the words are not those that the encoder began with.
    """
    if len(words) != filled + -(-length // 4):
        raise BitstreamError(OTHER_ARITHMETIC)
    above = words[filled:].astype("<u4").tobytes()
    if not np.array_equal(words[:filled], _filling(filled)) or any(above[length:]):
        raise BitstreamError(OTHER_ARITHMETIC)
    return above[:length]


def side_parameters(header: Header) -> tuple[int, int]:
    """Return the bytes of side information and the words filled up, from a header.

    Raises:
      BitstreamError: if one is not an integer in its range.
    """
    side, filled = (header.parameters.get(name) for name in ("side", "filled"))
    if not (_is_below(side, 2**40) and _is_below(filled, 2**32)):
        raise BitstreamError("malformed header: the parameters of bits-back are not integers")
    return side, filled  # type: ignore[return-value]


def _is_below(value: Any, limit: int) -> bool:
    return type(value) is int and 0 <= value < limit


def side_payload(
    writer: Writer, known: SideStack, side: bytes, parameters: dict[str, Any]
) -> Payload:
    """Return the payload of a stack and of what was written beside it.

    Args:
      writer: what was written beside the stack.
      known: the stack.
      side: the side information.
      parameters: the coder's options.
    """
    crc, text = writer.crc, writer.finish()
    words = known.stack.words.astype("<u4").tobytes()
    return Payload(
        len(text).to_bytes(4, "little") + text + words,
        crc,
        parameters | {"filled": known.filled, "side": len(side)},
        len(side),
        max(0, known.drawn - 8 * len(side)),
        known.drawn,
    )


def split(payload: bytes) -> tuple[bytes, np.ndarray]:
    """Return the stream and the words of a payload; raise BitstreamError if they do not fit."""
    length = int.from_bytes(payload[:4], "little")
    words = payload[4 + length :]
    if len(payload) < 4 + length or len(words) % 4:
        raise BitstreamError("malformed payload: its parts do not fit")
    return payload[4 : 4 + length], np.frombuffer(words, "<u4").astype(np.uint32)
