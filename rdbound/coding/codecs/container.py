"""The container of one encoded datum: a header and a payload.

    magic "RDB", version          4 bytes
    CRC-32 of all that follows    4
    fingerprint of the model      8
    CRC-32 of the table indexes   4
    λ                             4  float32
    code of the coder             1  version 2 only
    length of its parameters      1–5, LEB128, version 2 only
    its parameters                   JSON, version 2 only
    height, width, payload length 1–5 each, LEB128
    payload

All integers are little-endian. Version 1 is the rounding coder, which has no
parameters, and is what that coder still writes: its header takes at most 40
bytes. A block of vectors [count, n] has height = count and width = n.

The first checksum finds damage, the fingerprint another model, the checksum of the
table indexes another arithmetic: each has a message of its own. λ is stored bit-exactly.
"""

import json
import math
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "BitstreamError",
    "Header",
    "named_coder",
    "read_container",
    "write_container",
]

MAGIC = b"RDB"
VERSIONS = (1, 2)
LONGEST_PARAMETERS = 1024
_FIXED = struct.Struct("<8sIf")
LONGEST_SIDE = 2**20


class BitstreamError(ValueError):
    """A file that cannot be decoded; the message names the reason."""


@dataclass(frozen=True)
class Header:
    """The header of a container.

    Attributes:
      fingerprint: 8 bytes of model and tables (:mod:`rdbound.coding.codecs.fingerprint`).
      index_crc: CRC-32 of the table indexes, in the order of coding.
      lmbda: λ, a float32.
      height: height of the image without padding; the count of a block of vectors.
      width: width of the image without padding; the dimension of vectors.
      coder: :attr:`rdbound.coding.coders.base.Coder.code`.
      parameters: the coder's parameters, JSON values.
    """

    fingerprint: bytes
    index_crc: int
    lmbda: float
    height: int
    width: int
    coder: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Return the version of the format: 1 if it suffices."""
        return 2 if self.coder or self.parameters else 1


def write_container(header: Header, payload: bytes) -> bytes:
    """Return header and payload as bytes, in the layout above."""
    body = _FIXED.pack(header.fingerprint, header.index_crc, header.lmbda)
    if header.version == 2:
        text = json.dumps(header.parameters, sort_keys=True).encode() if header.parameters else b""
        body += bytes([header.coder]) + _leb128(len(text)) + text
    for value in (header.height, header.width, len(payload)):
        body += _leb128(value)
    body += payload
    return MAGIC + bytes([header.version]) + struct.pack("<I", zlib.crc32(body)) + body


def read_container(data: bytes, fingerprint: bytes) -> tuple[Header, bytes]:
    """Return the header and the payload of a container.

    Raises:
      BitstreamError: for anything but an intact container of the model with ``fingerprint``.
    """
    if not data:
        raise BitstreamError("empty file: nothing to decode")
    if data[:3] != MAGIC[: len(data[:3])]:
        raise BitstreamError("not an rdbound stream: it does not begin with 'RDB'")
    if len(data) < 8 + _FIXED.size + 3:
        raise BitstreamError(f"truncated: {len(data)} bytes are less than a header")
    if data[3] not in VERSIONS:
        raise BitstreamError(f"format version {data[3]}; this rdbound reads versions 1 and 2")
    body = data[8:]
    if zlib.crc32(body) != struct.unpack("<I", data[4:8])[0]:
        raise BitstreamError("truncated or damaged: the checksum of the stream does not match")
    return _parse(body, data[3], fingerprint)


def named_coder(data: bytes) -> tuple[int, dict[str, Any]] | None:
    """Return code and parameters of the coder that a file names; None if it names none."""
    if data[:3] != MAGIC or len(data) <= 8 + _FIXED.size + 1 or data[3] != 2:
        return (0, {}) if data[:4] == MAGIC + b"\x01" else None
    try:
        return _read_coder(data[8:], _FIXED.size)[:2]
    except BitstreamError:
        return None


def _parse(body: bytes, version: int, fingerprint: bytes) -> tuple[Header, bytes]:
    found, index_crc, lmbda = _FIXED.unpack_from(body)
    if found != fingerprint:
        raise BitstreamError(
            f"written with another model (fingerprint {found.hex()}, this one is "
            f"{fingerprint.hex()}); give the checkpoint it was written with"
        )
    coder, position = 0, _FIXED.size
    parameters: dict[str, Any] = {}
    if version == 2:
        coder, parameters, position = _read_coder(body, position)
    values = []
    for _ in range(3):
        value, position = _read_leb128(body, position)
        values.append(value)
    height, width, length = values
    sides_fit = 1 <= height <= LONGEST_SIDE and 1 <= width <= LONGEST_SIDE
    if not sides_fit or len(body) - position != length or not 0 < lmbda < math.inf:
        raise BitstreamError("malformed header: sizes, λ or lengths are impossible")
    header = Header(found, index_crc, lmbda, height, width, coder, parameters)
    return header, body[position:]


def _read_coder(body: bytes, position: int) -> tuple[int, dict[str, Any], int]:
    """Return code and parameters of the coder, and the position behind them."""
    length, start = _read_leb128(body, position + 1)
    if length > LONGEST_PARAMETERS or start + length > len(body):
        raise BitstreamError("malformed header: the coder's parameters do not end")
    parameters: Any = {}
    if length:
        try:
            parameters = json.loads(body[start : start + length])
        except (ValueError, RecursionError):
            raise BitstreamError("malformed header: the coder's parameters are not JSON") from None
    if not isinstance(parameters, dict):
        raise BitstreamError("malformed header: the coder's parameters are not named")
    return body[position], parameters, start + length


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
