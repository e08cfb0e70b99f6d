import numpy as np
import pytest

from rdbound.coding.entropy import scale_table
from rdbound.coding.entropy.frequency_tables import (
    TOTAL,
    FrequencyTable,
    gaussian_tables,
    pack,
    scaled_tables,
    table_from_mass,
    unpack,
)

SCALES = np.geomspace(0.11, 256.0, 64)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(80)


def _bin(r, sigma, mu=0.0):
    """The mass of the unit bin at r of N(mu, sigma²), by quadrature of the density."""
    points = np.asarray(r, float)[:, None] + NODES / 2 - mu
    density = np.exp(-0.5 * (points / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return density @ WEIGHTS / 2


@pytest.fixture(scope="module")
def tables():
    return gaussian_tables()


def test_every_table_of_the_ladder_sums_to_the_total_and_has_no_zero(tables):
    assert (TOTAL, scale_table.SCALES.levels, len(tables)) == (2**20, 64, 64)
    for table in tables:
        assert table.frequencies.sum() == 2**20
        assert table.frequencies.min() >= 1
        assert table.frequencies.dtype == np.int64


def test_a_table_reaches_five_deviations_of_its_scale_and_one_more(tables):
    for table, scale in zip(tables, SCALES, strict=True):
        # The scale itself is a float: where 5σ is an integer either side of it will do.
        assert table.reach in {1 + int(np.ceil(5 * scale * f)) for f in (1 - 1e-9, 1 + 1e-9)}
        assert len(table.frequencies) == 2 * table.reach + 2, "the integers and the escape"


def test_frequencies_are_the_bin_masses_of_the_gaussian_at_the_ladders_scale(tables):
    """All but the mode, which takes what flooring left: within one unit of TOTAL · mass."""
    for table, scale in zip(tables, SCALES, strict=True):
        integers = np.arange(-table.reach, table.reach + 1)
        exact = TOTAL * _bin(integers, scale)
        found, mode = table.frequencies[:-1], table.frequencies.argmax()
        others = integers != integers[mode]
        low, high = np.floor(exact - 1e-4), np.floor(exact + 1e-4)
        assert (found >= np.maximum(1, low))[others].all()
        assert (found <= np.maximum(1, high))[others].all()
        escape = max(1.0, TOTAL * (1 - _bin(integers, scale).sum()))
        assert abs(table.frequencies[-1] - escape) <= 1
        assert exact[mode] > exact.max() - 1, "of those that floor to the largest, the first"
        assert abs(found[mode] - exact[mode]) <= len(found) + 1


def test_ideal_bits_of_a_table_are_those_of_the_gaussian(tables):
    for table, scale in zip(tables, SCALES, strict=True):
        integers = np.arange(-table.reach, table.reach + 1)
        mass = _bin(integers, scale)
        bits = -np.log2(table.frequencies[:-1] / TOTAL)
        likely = (mass * TOTAL > 300) & (np.arange(len(mass)) != table.frequencies.argmax())
        np.testing.assert_allclose(bits[likely], -np.log2(mass[likely]), atol=1.5 / 300)
        # And on average, the mode included: Gibbs below, flooring above.
        mass = np.maximum(mass, 1e-300)
        excess = np.sum(mass * (bits + np.log2(mass)))
        assert -1e-5 < excess < 1e-3


def test_a_ladder_asks_its_family_at_the_64_scales():
    asked = []

    def mass(r, sigma):
        asked.append((sigma, len(r)))
        return np.full(len(r), 1.0 / len(r))

    made = scaled_tables(mass)
    np.testing.assert_allclose([sigma for sigma, _ in asked], SCALES, rtol=1e-12)
    assert [n for _, n in asked] == [2 * table.reach + 1 for table in made]


def test_what_lies_beyond_the_reach_is_the_escapes():
    """Masses in the order −m … m; the rest, here the mode, is the last frequency."""
    table = table_from_mass(lambda r: np.array([0.25, 0.125, 0.0625]), 1)
    assert table.frequencies.tolist() == [2**18, 2**17, 2**16, 2**20 - 2**18 - 2**17 - 2**16]
    assert table.reach == 1
    # A mass that sums to more than one leaves the escape its one.
    full = table_from_mass(lambda r: np.where(r == 2, 0.6, 0.1001), 2)
    assert full.frequencies[-1] == 1
    assert np.argmax(full.frequencies) == 4
    assert full.frequencies.sum() == TOTAL


def test_no_table_reaches_further_than_4096():
    seen = []
    table = table_from_mass(lambda r: (seen.append(r), np.zeros(len(r)))[1], 10**6)
    assert (seen[0][0], seen[0][-1], len(seen[0])) == (-4096.0, 4096.0, 8193)
    assert table.reach == 4096
    assert table.frequencies[-1] == TOTAL - 8193
    assert table_from_mass(lambda r: np.zeros(len(r)), 4095).reach == 4095


def test_the_index_is_of_the_nearest_scale_and_the_distance_to_the_nearest_boundary(rng):
    """Against all 64 scales and all 63 geometric means of neighbours."""
    logs = np.log(SCALES)
    boundaries = (logs[1:] + logs[:-1]) / 2
    log_sigma = rng.uniform(logs[0], logs[-1], (40, 50))
    index, distance = scale_table.SCALES.nearest(log_sigma)
    assert index.shape == distance.shape == (40, 50)
    assert index.dtype == np.uint8
    np.testing.assert_array_equal(index, np.abs(log_sigma[..., None] - logs).argmin(-1))
    expected = np.abs(log_sigma[..., None] - boundaries).min(-1)
    np.testing.assert_allclose(distance, expected, atol=1e-12)


def test_beyond_the_outermost_scales_no_boundary_is_near():
    index, distance = scale_table.SCALES.nearest(np.log([1e-9, 0.1099, 0.1101, 255.9, 256.1, 1e9]))
    assert index.tolist() == [0, 0, 0, 63, 63, 63]
    assert np.isinf(distance).tolist() == [True, True, False, False, True, True]
    half = np.log(256 / 0.11) / 63 / 2
    np.testing.assert_allclose(distance[2:4], half, rtol=0.02)


@pytest.mark.parametrize(
    ("frequencies", "lengths", "message"),
    [
        ([TOTAL - 1, 1], [2.0], "not of integers"),
        ([TOTAL - 1, 1], [4], "do not add up"),
        ([TOTAL - 2, 1, 1], [3], "do not add up"),
        ([TOTAL - 1, 1], [4, -2], "do not add up"),
        ([TOTAL, 0], [2], "not positive with the sum"),
        ([TOTAL - 1, 1, TOTAL - 1, 2], [2, 2], "not positive with the sum"),
    ],
)
def test_what_are_no_tables_is_told(frequencies, lengths, message):
    with pytest.raises(ValueError, match=message):
        unpack(np.array(frequencies), np.array(lengths))


def test_tables_come_back_from_the_two_arrays_of_a_checkpoint(rng):
    def table(n):
        counts = rng.multinomial(TOTAL - n, np.full(n, 1 / n)) + 1
        return FrequencyTable(counts)

    made = [table(n) for n in (4, 10, 6, 124)]
    frequencies, lengths = pack(made)
    assert frequencies.dtype == lengths.dtype == np.int32
    assert lengths.tolist() == [4, 10, 6, 124]
    np.testing.assert_array_equal(frequencies[4:14], made[1].frequencies)
    back = unpack(frequencies, lengths)
    assert [t.reach for t in back] == [1, 4, 2, 61]
    for one, other in zip(made, back, strict=True):
        np.testing.assert_array_equal(one.frequencies, other.frequencies)
        assert other.frequencies.dtype == np.int64
