import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbound.coding.entropy.frequency_tables import TOTAL, gaussian_tables, pack, unpack
from rdbound.coding.entropy.range_coder import LARGEST, Reader, Writer

TABLES = gaussian_tables()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-LARGEST + 1, LARGEST - 1), st.integers(0, 63)), max_size=60))
def test_any_integers_come_back(pairs):
    values = np.array([v for v, _ in pairs], np.int32)
    groups = np.array([g for _, g in pairs], np.uint8)
    writer = Writer()
    writer.symbols(values, groups, TABLES)
    reader = Reader(writer.finish())
    np.testing.assert_array_equal(reader.symbols(groups, TABLES), values)
    assert reader.exhausted()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2**40), st.floats(0, 1, exclude_max=True)), max_size=20))
def test_plain_integers_come_back(draws):
    pairs = [(int(share * limit), limit) for limit, share in draws]
    writer = Writer()
    for value, limit in pairs:
        writer.integer(value, limit)
    reader = Reader(writer.finish())
    assert [reader.integer(limit) for _, limit in pairs] == [value for value, _ in pairs]


@pytest.mark.parametrize("index", [0, 5, 20, 40, 63])
def test_written_bits_are_the_ideal_code_length(index, rng):
    """Bytes of a long message against −Σ log₂ of the table, within a word and rounding."""
    table = TABLES[index]
    n = 20_000
    coded = rng.choice(len(table.frequencies), n, p=table.frequencies / TOTAL)
    coded = coded[coded < len(table.frequencies) - 1]
    ideal = -np.log2(table.frequencies[coded] / TOTAL).sum()
    writer = Writer()
    writer.symbols((coded - table.reach).astype(np.int32), np.full(len(coded), index), TABLES)
    assert ideal - 1 < 8 * len(writer.finish()) < 1.0005 * ideal + 64


def test_tables_are_positive_and_sum():
    for table in TABLES:
        assert table.frequencies.min() >= 1
        assert table.frequencies.sum() == TOTAL


def test_tables_survive_a_checkpoint():
    for a, b in zip(TABLES, unpack(*pack(TABLES)), strict=True):
        np.testing.assert_array_equal(a.frequencies, b.frequencies)


def test_golden_stream():
    """The bytes are a promise: a change here is a new format version."""
    writer = Writer()
    writer.integer(5, 1000)
    writer.symbols(
        np.array([0, 3, -2, 7000], np.int32), np.array([0, 10, 10, 63], np.uint8), TABLES
    )
    assert writer.finish().hex() == GOLDEN


GOLDEN = "e6358901e378132356a09580"
