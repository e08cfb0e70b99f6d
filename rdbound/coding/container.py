"""The container of one compressed image: a header and a payload.

    magic "RDB", version          4 bytes
    CRC-32 of all that follows    4
    fingerprint of the model      8
    CRC-32 of the table indexes   4
    λ                             4  float32
    height, width, payload length 1–5 each, LEB128
    payload

All integers are little-endian. A header takes at most 40 bytes.
"""

import struct
import zlib
from dataclasses import dataclass

__all__ = ["BitstreamError", "Header", "read_container", "write_container"]

MAGIC = b"RDB"
VERSION = 1
_FIXED = struct.Struct("<8sIf")
LARGEST_SIDE = 2**20


class BitstreamError(ValueError):
    """A stream that cannot be decoded; the message says why."""


@dataclass(frozen=True)
class Header:
    """What the container says of its payload."""

    fingerprint: bytes
    index_crc: int
    lmbda: float
    height: int
    width: int


def write_container(header: Header, payload: bytes) -> bytes:
    """Header and payload as bytes."""
    body = _FIXED.pack(header.fingerprint, header.index_crc, header.lmbda)
    for value in (header.height, header.width, len(payload)):
        body += _leb128(value)
    body += payload
    return MAGIC + bytes([VERSION]) + struct.pack("<I", zlib.crc32(body)) + body


def read_container(data: bytes, fingerprint: bytes) -> tuple[Header, bytes]:
    """Bytes → (header, payload).

    Raises :class:`BitstreamError` for anything that is not a whole, intact
    container of the model with ``fingerprint``.
    """
    if not data:
        raise BitstreamError("empty file: nothing to decode")
    if data[:3] != MAGIC[: len(data[:3])]:
        raise BitstreamError("not an rdbound stream: it does not begin with 'RDB'")
    if len(data) < 8 + _FIXED.size + 3:
        raise BitstreamError(f"truncated: {len(data)} bytes are less than a header")
    if data[3] != VERSION:
        raise BitstreamError(f"format version {data[3]}; this rdbound reads version {VERSION}")
    body = data[8:]
    if zlib.crc32(body) != struct.unpack("<I", data[4:8])[0]:
        raise BitstreamError("truncated or damaged: the checksum of the stream does not match")
    return _parse(body, fingerprint)


def _parse(body: bytes, fingerprint: bytes) -> tuple[Header, bytes]:
    found, index_crc, lmbda = _FIXED.unpack_from(body)
    if found != fingerprint:
        raise BitstreamError(
            f"written with another model (fingerprint {found.hex()}, this one is "
            f"{fingerprint.hex()}); give the checkpoint it was written with"
        )
    position = _FIXED.size
    values = []
    for _ in range(3):
        value, position = _read_leb128(body, position)
        values.append(value)
    height, width, length = values
    sides_fit = 1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE
    if not sides_fit or len(body) - position != length or not lmbda > 0:
        raise BitstreamError("malformed header: sizes, λ or lengths are impossible")
    return Header(found, index_crc, lmbda, height, width), body[position:]


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _read_leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise BitstreamError("malformed header: a length does not end")
