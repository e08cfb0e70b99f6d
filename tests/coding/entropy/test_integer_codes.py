"""Codes of integers: what is read is what was written, and the bits are those of the law."""

import numpy as np
import pytest

from rdbound.coding.entropy.frequency_tables import gaussian_tables
from rdbound.coding.entropy.integer_codes import (
    bytes_of_numbers,
    numbers_of_bytes,
    read_clustered,
    read_zipf,
    write_clustered,
    write_zipf,
)
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer


@pytest.mark.parametrize("values", [[0], [7] * 50, [0, 999, 3, 500], list(range(100))])
def test_what_is_read_is_what_was_written(values):
    writer = Writer()
    write_clustered(writer, np.array(values), 1000)
    reader = Reader(writer.finish())
    np.testing.assert_array_equal(read_clustered(reader, len(values), 1000), values)
    assert reader.exhausted()


def test_the_price_is_the_entropy_of_a_rounded_gaussian(rng):
    values = np.rint(500 + 4.0 * rng.standard_normal(20_000)).astype(int)
    writer = Writer()
    write_clustered(writer, values, 1000)
    entropy = 0.5 * np.log2(2 * np.pi * np.e * (16.0 + 1 / 12))
    # The spread is one of a ladder's, at most 6 % off: 0.006 bit.
    assert abs(8 * len(writer.finish()) / len(values) - entropy) < 0.025


@pytest.mark.parametrize("offset", [-61, 900])
def test_an_integer_out_of_range_is_refused(offset):
    writer = Writer()
    writer.integer(60, 61)
    writer.integer(63, 64)
    writer.symbols(np.array([offset], np.int32), np.zeros(1, int), [gaussian_tables()[63]])
    with pytest.raises(UnreadableError, match="not from 0 to 60"):
        read_clustered(Reader(writer.finish()), 1, 61)


def _written_by_zipf(indexes):
    writer = Writer()
    write_zipf(writer, indexes)
    data = writer.finish()
    reader = Reader(data)
    np.testing.assert_array_equal(read_zipf(reader, len(indexes)), indexes)
    assert reader.exhausted()
    return 8 * len(data)


@pytest.mark.parametrize("indexes", [[0], [2**31 - 2], [0, 1, 2, 3, 4, 5, 6, 7], [2**20 - 1, 0]])
def test_indexes_are_read_as_they_were_written(indexes):
    _written_by_zipf(np.array(indexes, np.int64))


def test_of_no_index_nothing_is_read():
    assert len(read_zipf(Reader(b""), 0)) == 0


@pytest.mark.parametrize("exponent", [1.1, 1.3, 1.5, 2.0])
def test_the_price_is_the_entropy_of_zipfs_law(exponent, rng):
    n = np.arange(1, 2**20, dtype=np.float64)
    p = n**-exponent / np.sum(n**-exponent)
    indexes = np.searchsorted(np.cumsum(p), rng.random(50_000))
    ideal = -np.log2(p[indexes]).sum()
    over = (_written_by_zipf(indexes) - ideal) / len(indexes)
    assert -0.01 < over < 0.1


@pytest.mark.parametrize("spread", [0, 0.3, 5, 17, 300, 1e6])
def test_what_is_written_is_read_at_the_entropy_of_a_gaussian(spread, rng):
    values = np.rint(rng.normal(size=20_000) * spread).astype(np.int64)
    data = bytes_of_numbers(values)
    np.testing.assert_array_equal(numbers_of_bytes(data, 20_000), values)
    counts = np.unique(np.rint(values / max(1.0, spread / 12)), return_counts=True)[1]
    fine = np.log2(max(1.0, spread / 12))
    p = counts / counts.sum()
    entropy = -(p * np.log2(p)).sum() + fine
    assert 8 * len(data) / 20_000 < entropy + 0.12


@pytest.mark.parametrize(
    "values", [[], [0], [-5], [3, -(2**29)], [2**29] * 7, list(range(-400, 400))]
)
def test_any_numbers_return(values):
    found = numbers_of_bytes(bytes_of_numbers(np.array(values, np.int64)), len(values))
    np.testing.assert_array_equal(found, values)


def test_what_is_no_numbers_is_refused(rng):
    with pytest.raises(ValueError, match="2\\^30"):
        bytes_of_numbers(np.array([2**31]))
    refused = 0
    for _ in range(200):
        try:
            assert numbers_of_bytes(rng.bytes(30), 50).shape == (50,)
        except ValueError:
            refused += 1
    assert refused, "what is no such stream is a ValueError or some numbers, and nothing else"
    with pytest.raises(ValueError, match=r"no such numbers|needs a weight"):
        numbers_of_bytes(b"", 5)
