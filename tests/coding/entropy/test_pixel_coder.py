import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.frequency_tables import TOTAL
from rdbound.coding.entropy.pixel_coder import (
    level_frequencies,
    pop_levels,
    push_levels,
    read_levels,
    write_levels,
)
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.ops.discretized_logistic import LOG_SCALES, PixelDistribution


def _said(rng, size=(20, 30), beyond=2):
    """A distribution of a larger array, and an image drawn by it."""
    shape = (size[0] + beyond, size[1] + beyond, 3)
    mu = rng.uniform(-10, 265, shape).astype(np.float32)
    log_scale = rng.uniform(-1, 3, shape).astype(np.float32)
    lean = rng.normal(0, 0.4, shape).astype(np.float32)
    of = PixelDistribution(mu, log_scale, lean)
    levels = np.zeros((*size, 3), np.uint8)
    cut = PixelDistribution(*(leaf[: size[0], : size[1]] for leaf in of))
    for colour in range(3):
        mean = cut.mean_of(colour, levels.astype(np.float64))
        drawn = rng.logistic(mean, np.exp(cut.log_scale[..., colour]))
        levels[..., colour] = np.clip(np.rint(drawn), 0, 255)
    return of, levels


def test_rows_are_the_masses_on_the_grids(rng):
    """Against scipy's logistic function, to the rounding of frequencies."""
    from scipy.stats import logistic

    mean, scale = rng.integers(0, 4 * 384, 300), rng.integers(0, 65, 300)
    rows = level_frequencies(mean, scale)
    assert (rows.sum(1) == TOTAL).all()
    assert rows.min() >= 1
    law = logistic((-64 + mean / 4)[:, None], np.exp(LOG_SCALES[0] + scale / 8)[:, None])
    edges = np.arange(255) + 0.5
    below = np.concatenate([np.zeros((300, 1)), law.cdf(edges), np.ones((300, 1))], 1)
    np.testing.assert_allclose(rows / TOTAL, np.diff(below, axis=1), atol=260 / TOTAL)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (90, 110)])
def test_what_is_written_is_read(size, rng):
    of, levels = _said(rng, size)
    writer = Writer()
    write_levels(of, levels, writer)
    reader = Reader(writer.finish())
    np.testing.assert_array_equal(read_levels(of, size, reader), levels)
    assert reader.crc == writer.crc
    assert reader.exhausted()


def test_the_bits_are_those_of_the_distribution(rng):
    """What the grids cost: less than a hundredth of a bit a level."""
    of, levels = _said(rng, (90, 110), beyond=0)
    writer = Writer()
    write_levels(of, levels, writer)
    ideal = PixelDistribution(*map(jnp.asarray, of)).bits(jnp.asarray(levels, jnp.float32)).sum()
    assert -0.002 < (8 * len(writer.finish()) - ideal) / levels.size < 0.025


def test_what_is_pushed_is_popped_and_the_rest_remains(rng):
    of, levels = _said(rng, (90, 110))
    below = rng.integers(0, 2**32, 50, dtype=np.uint32)
    stack, text = BitStack(below, whole=True), Writer()
    push_levels(of, levels, stack, text)
    stack, reader = BitStack(stack.words), Reader(text.finish())
    np.testing.assert_array_equal(pop_levels(of, (90, 110), stack, reader), levels)
    np.testing.assert_array_equal(stack.original(), below)
    assert reader.crc == text.crc


def test_means_that_differ_by_less_than_the_band_are_read_alike(rng):
    of, levels = _said(rng)
    writer = Writer()
    write_levels(of, levels, writer)
    reader = Reader(writer.finish())
    off = of._replace(mu=of.mu + rng.uniform(-5e-5, 5e-5, of.mu.shape).astype(np.float32))
    np.testing.assert_array_equal(read_levels(off, (20, 30), reader), levels)
    assert reader.crc == writer.crc


def test_means_that_differ_by_more_are_noticed(rng):
    of, levels = _said(rng)
    writer = Writer()
    write_levels(of, levels, writer)
    reader = Reader(writer.finish())
    try:
        read_levels(of._replace(mu=of.mu + np.float32(5e-2)), (20, 30), reader)
    except UnreadableError:
        return
    assert reader.crc != writer.crc
