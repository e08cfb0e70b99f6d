import numpy as np
import pytest

from rdbound.coding.entropy.guard_list import BAND, read_indexes, write_indexes
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import SCALES


def _log_scales(rng, n=20_000):
    """Half of them crowd around table boundaries, within a few bands."""
    anywhere = rng.uniform(SCALES.low - 1, SCALES.low + SCALES.levels * SCALES.step, n // 2)
    boundary = SCALES.low + SCALES.step * (rng.integers(0, SCALES.levels - 1, n // 2) + 0.5)
    return np.concatenate([anywhere, boundary + rng.normal(0, 2 * BAND, n // 2)])


@pytest.mark.parametrize("seed", range(5))
def test_a_decoder_inside_the_band_reads_the_same_indexes(seed):
    rng = np.random.default_rng(seed)
    log_sigma = _log_scales(rng)
    writer = Writer()
    index = write_indexes(writer, log_sigma)
    noisy = log_sigma + rng.uniform(-BAND, BAND, len(log_sigma)) * 0.999
    assert (SCALES.nearest(noisy)[0] != index).any(), "the perturbation must matter"
    np.testing.assert_array_equal(read_indexes(Reader(writer.finish()), noisy), index)


def test_outside_the_band_indexes_differ(rng):
    log_sigma = _log_scales(rng)
    writer = Writer()
    index = write_indexes(writer, log_sigma)
    noisy = log_sigma + 20 * BAND
    assert (read_indexes(Reader(writer.finish()), noisy) != index).any()


def test_the_nearest_table_is_chosen():
    levels = SCALES.low + SCALES.step * np.arange(SCALES.levels)
    index, distance = SCALES.nearest(levels + 0.3 * SCALES.step)
    np.testing.assert_array_equal(index, np.arange(SCALES.levels))
    np.testing.assert_allclose(distance[:-1], 0.2 * SCALES.step)
    assert distance[-1] == np.inf
