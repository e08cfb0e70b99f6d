"""Integers around one value: what is read is what was written, and at what price."""

import numpy as np
import pytest

from rdbound.coding.entropy.frequency_tables import gaussian_tables
from rdbound.coding.entropy.integer_codes import read_clustered, write_clustered
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
