import numpy as np
import pytest

from rdbound.coding.guard import BAND, read_indexes, write_indexes
from rdbound.coding.range_coder import Reader, Writer
from rdbound.coding.tables import LEVELS, LOG_SCALE_MIN, LOG_SCALE_STEP, scale_indexes


def _log_scales(rng, n=20_000):
    """Half of them crowd around table boundaries, within a few bands."""
    anywhere = rng.uniform(LOG_SCALE_MIN - 1, LOG_SCALE_MIN + LEVELS * LOG_SCALE_STEP, n // 2)
    boundary = LOG_SCALE_MIN + LOG_SCALE_STEP * (rng.integers(0, LEVELS - 1, n // 2) + 0.5)
    return np.concatenate([anywhere, boundary + rng.normal(0, 2 * BAND, n // 2)])


@pytest.mark.parametrize("seed", range(5))
def test_a_decoder_inside_the_band_reads_the_same_indexes(seed):
    rng = np.random.default_rng(seed)
    log_sigma = _log_scales(rng)
    writer = Writer()
    index = write_indexes(writer, log_sigma)
    noisy = log_sigma + rng.uniform(-BAND, BAND, len(log_sigma)) * 0.999
    assert (scale_indexes(noisy)[0] != index).any(), "the perturbation must matter"
    np.testing.assert_array_equal(read_indexes(Reader(writer.finish()), noisy), index)


def test_outside_the_band_indexes_differ(rng):
    log_sigma = _log_scales(rng)
    writer = Writer()
    index = write_indexes(writer, log_sigma)
    noisy = log_sigma + 20 * BAND
    assert (read_indexes(Reader(writer.finish()), noisy) != index).any()


def test_the_nearest_table_is_chosen():
    levels = LOG_SCALE_MIN + LOG_SCALE_STEP * np.arange(LEVELS)
    index, distance = scale_indexes(levels + 0.3 * LOG_SCALE_STEP)
    np.testing.assert_array_equal(index, np.arange(LEVELS))
    np.testing.assert_allclose(distance[:-1], 0.2 * LOG_SCALE_STEP)
    assert distance[-1] == np.inf
