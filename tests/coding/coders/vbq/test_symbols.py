"""Code points as symbols: numbers, and what a stream gives back."""

import numpy as np
import pytest

from rdbound.coding.coders.vbq.symbols import lengths_of, read_points, write_points
from rdbound.coding.entropy.frequency_tables import TOTAL, table_from_weights
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.ops.code_points import REACH, CodePoints, numbers_of

TABLES = [
    table_from_weights(np.ones(2 * REACH + 2)),
    table_from_weights(np.exp(-0.1 * np.abs(np.arange(2 * REACH + 2) - REACH))),
]


def _all(most, *more):
    found = [(r, k) for r in range(1, most + 1) for k in range(1, 2**r, 2)] + list(more)
    bits, k = zip(*found, strict=True)
    return CodePoints(np.array(bits, np.int64), np.array(k, np.int64))


def test_numbers_by_hand():
    points = CodePoints(
        np.array([1, 2, 2, 3, 5, 6, 6, 7, 10, 10, 11, 30]),
        np.array([1, 1, 3, 3, 31, 1, 33, 7, 1, 1023, 1, 1]),
    )
    number, within = numbers_of(points)
    # 7/128 lies in the second of 32 intervals, the second of its two points of 7 bits.
    expected = [0, -1, 1, -3, 8, -16, 31, -33, -80, 80, -96, -(96 + 2**28 - 2**9)]
    np.testing.assert_array_equal(number, expected)
    np.testing.assert_array_equal(within, [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])


def test_no_two_points_are_alike_and_mirrors_are_negatives():
    points = _all(13)
    number, within = numbers_of(points)
    assert len(set(zip(number.tolist(), within.tolist(), strict=True))) == len(number)
    mirrored = CodePoints(points.bits, (1 << points.bits) - points.numerator)
    other, other_within = numbers_of(mirrored)
    np.testing.assert_array_equal(other, -number)
    np.testing.assert_array_equal(other_within, within)
    counted = np.unique(np.abs(number[points.bits <= 10]))
    np.testing.assert_array_equal(counted, np.arange(REACH + 1))


def test_what_is_read_was_written(rng):
    deep = [(r, k) for r in (20, 29, 30) for k in (1, 2 ** (r - 1) - 1, 2 ** (r - 1) + 1, 2**r - 1)]
    points = _all(12, *deep)
    order = rng.permutation(len(points.bits))
    points = CodePoints(points.bits[order], points.numerator[order])
    groups = rng.integers(0, 2, len(order))
    stream = Writer()
    write_points(stream, points, groups, TABLES)
    found = read_points(Reader(stream.finish()), groups, TABLES)
    np.testing.assert_array_equal(found.bits, points.bits)
    np.testing.assert_array_equal(found.numerator, points.numerator)


def test_a_point_of_ten_bits_costs_its_interval_and_four_bits(rng):
    points = CodePoints(np.full(8000, 10), 2 * rng.integers(0, 16, 8000) + 1)
    stream = Writer()
    write_points(stream, points, np.zeros(8000, int), TABLES[:1])
    frequency = TABLES[0].frequencies[REACH - 80]
    assert 8 * len(stream.finish()) == pytest.approx(
        8000 * (np.log2(TOTAL / frequency) + 4), abs=64
    )


def test_lengths_are_those_that_are_written(rng):
    deep = [(r, k) for r in (12, 20, 30) for k in (1, 2 ** (r - 1) - 1, 2**r - 1)]
    points = _all(11, *deep)
    for bits in (1, 4, 6, 8, 10, 11, 12, 20, 30):
        own = np.flatnonzero(points.bits == bits)
        some = CodePoints(*(x[rng.choice(own, 3000)] for x in points))
        groups = rng.integers(0, 2, 3000)
        stream = Writer()
        write_points(stream, some, groups, TABLES)
        told = lengths_of(some, groups, TABLES).sum()
        assert 8 * len(stream.finish()) == pytest.approx(told, rel=2e-3, abs=64)


def test_more_bits_than_any_writer_has_are_unreadable():
    stream = Writer()
    beyond = 96 + 2**29 - 2**9  # the first of 31 bits
    stream.symbols(np.array([beyond], np.int32), np.zeros(1, int), TABLES)
    with pytest.raises(UnreadableError, match="more than 30 bits"):
        read_points(Reader(stream.finish()), np.zeros(1, int), TABLES)
