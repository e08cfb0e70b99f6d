import dataclasses
import struct
import zlib

import pytest

from rdbound.coding.codecs.container import BitstreamError, Header, read_container, write_container

HEADER = Header(b"fingerpr", 7, 0.01, 187, 2**20)


def test_round_trip_and_size():
    data = write_container(HEADER, b"x" * 100_000)
    assert len(data) - 100_000 <= 40
    header, payload = read_container(data, HEADER.fingerprint)
    assert payload == b"x" * 100_000
    assert (header.height, header.width, header.index_crc) == (187, 2**20, 7)
    assert header.lmbda == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("coder", "parameters", "version"),
    [
        (0, {}, 1),
        (0, {"step": 3}, 2),
        (77, {}, 2),
        (255, {"a": [1.5, "b"], "c": None}, 2),
    ],
)
def test_the_coder_and_its_parameters_come_back(coder, parameters, version):
    """Whatever version 1 cannot say is said by version 2."""
    header = dataclasses.replace(HEADER, coder=coder, parameters=parameters)
    data = write_container(header, b"payload")
    assert data[:4] == b"RDB" + bytes([version])
    found, payload = read_container(data, HEADER.fingerprint)
    assert payload == b"payload"
    assert (found.coder, found.parameters) == (coder, parameters)
    assert (found.height, found.width, found.index_crc) == (187, 2**20, 7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "not an rdbound stream"),
        (b"RDB", "truncated: 3 bytes"),
        (b"RDB\x09" + b"0" * 50, "format version 9"),
    ],
)
def test_other_files_are_named(data, message):
    with pytest.raises(BitstreamError, match=message):
        read_container(data, HEADER.fingerprint)


def test_another_model_is_named():
    with pytest.raises(BitstreamError, match="another model"):
        read_container(write_container(HEADER, b"abc"), b"otherone")


def _sealed(body, version=1):
    return b"RDB" + bytes([version]) + struct.pack("<I", zlib.crc32(body)) + body


@pytest.mark.parametrize("lmbda", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_lambda_is_told(lmbda):
    body = struct.pack("<8sIf", HEADER.fingerprint, 0, lmbda) + bytes([8, 8, 0])
    with pytest.raises(BitstreamError, match="sizes, λ or lengths are impossible"):
        read_container(_sealed(body), HEADER.fingerprint)


@pytest.mark.parametrize("text", [b"[" * 1024, b"{]", b"3"])
def test_parameters_that_are_no_names_and_values_are_told(text):
    start = struct.pack("<8sIf", HEADER.fingerprint, 0, 0.01) + b"\0"
    length = bytes([len(text) & 127 | 128, len(text) >> 7])
    with pytest.raises(BitstreamError, match="the coder's parameters are not"):
        read_container(_sealed(start + length + text + bytes([8, 8, 0]), 2), HEADER.fingerprint)


def test_every_truncation_and_every_flipped_byte_is_an_error():
    data = write_container(HEADER, bytes(range(60)))
    for n in range(len(data)):
        with pytest.raises(BitstreamError):
            read_container(data[:n], HEADER.fingerprint)
        for flip in (1, 128, 255):
            damaged = bytearray(data)
            damaged[n] ^= flip
            with pytest.raises(BitstreamError):
                read_container(bytes(damaged), HEADER.fingerprint)
    with pytest.raises(BitstreamError):
        read_container(data + b"0", HEADER.fingerprint)
