"""Zipf's law by octaves, against its entropy."""

import numpy as np
import pytest

from rdbound.coding.entropy.integer_codes import read_zipf, write_zipf
from rdbound.coding.entropy.range_coder import Reader, Writer


def _written(indexes):
    writer = Writer()
    write_zipf(writer, indexes)
    data = writer.finish()
    reader = Reader(data)
    np.testing.assert_array_equal(read_zipf(reader, len(indexes)), indexes)
    assert reader.exhausted()
    return 8 * len(data)


@pytest.mark.parametrize("indexes", [[0], [2**31 - 2], [0, 1, 2, 3, 4, 5, 6, 7], [2**20 - 1, 0]])
def test_what_is_read_is_what_was_written(indexes):
    _written(np.array(indexes, np.int64))


def test_of_no_index_nothing_is_read():
    assert len(read_zipf(Reader(b""), 0)) == 0


@pytest.mark.parametrize("exponent", [1.1, 1.3, 1.5, 2.0])
def test_the_price_is_the_entropy_of_zipfs_law(exponent, rng):
    n = np.arange(1, 2**20, dtype=np.float64)
    p = n**-exponent / np.sum(n**-exponent)
    indexes = np.searchsorted(np.cumsum(p), rng.random(50_000))
    ideal = -np.log2(p[indexes]).sum()
    over = (_written(indexes) - ideal) / len(indexes)
    assert -0.01 < over < 0.1
