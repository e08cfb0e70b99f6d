"""The stack: bits come back, at the price of the tables."""

import numpy as np
import pytest

from rdbound.coding.entropy.ans_stack import BitStack, read_excess, write_excess
from rdbound.coding.entropy.frequency_tables import TOTAL, gaussian_tables
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer

TABLES = gaussian_tables()[10:40:10]


def _words(rng, count):
    return rng.integers(0, 2**32, count, dtype=np.uint32)


def test_what_is_popped_and_pushed_leaves_the_bits_as_they_were(rng):
    words, groups = _words(rng, 400), rng.integers(0, 3, 500)
    stack = BitStack(words, whole=True)
    values = stack.pop(groups, TABLES)
    assert stack.bits < 32 * 400 - 500
    stack.push(values, groups, TABLES)
    np.testing.assert_array_equal(stack.original(), words)


def test_what_is_popped_is_drawn_by_the_tables(rng):
    stack = BitStack(_words(rng, 20_000), whole=True)
    values, table = stack.pop(np.zeros(100_000, int), TABLES[:1]), TABLES[0]
    p = table.frequencies / TOTAL
    for value, mass in zip(range(-table.reach, table.reach + 1), p, strict=False):
        count = np.sum(values == value)
        assert abs(count - 1e5 * mass) < 4.5 * (1e5 * mass) ** 0.5 + 4
    ideal = -np.log2(p[values + table.reach]).sum()
    assert abs((32 * 20_000 - stack.bits) - ideal) < 64 + 1e-3 * ideal


def test_what_is_pushed_is_popped_with_what_lies_beyond(rng):
    groups = rng.integers(0, 3, 300)
    values = rng.integers(-5, 6, 300)
    values[[3, 77, 200]] = -5000, 2**30 - 1, 900
    words, writer = _words(rng, 20), Writer()
    stack = BitStack(words, whole=True)
    stack.push(values, groups, TABLES)
    write_excess(writer, values, groups, TABLES)
    again, reader = BitStack(stack.words), Reader(writer.finish())
    found = read_excess(reader, again.pop(groups, TABLES), groups, TABLES)
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(again.original(), words)


def test_an_escape_that_none_needed_is_refused():
    writer = Writer()
    for value, limit in ((0, 2), (2, 32), (3, 4)):
        writer.integer(value, limit)
    popped = np.array([TABLES[0].reach + 1], np.int32)
    with pytest.raises(UnreadableError, match="needs no escape"):
        read_excess(Reader(writer.finish()), popped, np.zeros(1, int), TABLES[:1])


def test_words_that_no_stack_leaves_are_refused():
    with pytest.raises(UnreadableError, match="end in a zero"):
        BitStack(np.array([5, 0], np.uint32))


def test_what_lies_too_far_is_refused_when_written():
    with pytest.raises(ValueError, match="lies 2\\^30"):
        write_excess(Writer(), np.array([2**30]), np.zeros(1, int), TABLES[:1])


def test_a_stack_that_is_not_back_has_no_original():
    stack = BitStack(np.array([5, 1], np.uint32), whole=True)
    stack.push(np.zeros(200, int), np.zeros(200, int), TABLES[:1])
    with pytest.raises(UnreadableError, match="what remains"):
        stack.original()
