import numpy as np
import pytest
from scipy.stats import norm

from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.discretized_gaussian import WIDTH, DiscretizedGaussian
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import kl_bits


def _gaussians(rng, n, low=-4.0, high=5.0):
    return Gaussian(rng.normal(0, 30, n), rng.uniform(low, high, n))


def test_what_is_pushed_is_popped_and_the_rest_remains(rng):
    of = DiscretizedGaussian.of(_gaussians(rng, 4000), (4000,))
    bins = of.place + np.rint(rng.normal(0, 1, 4000) * 40 * 2.0 ** rng.integers(0, 8, 4000))
    bins = bins.astype(np.int64)
    below = rng.integers(0, 2**32, 50, dtype=np.uint32)
    stack, text = BitStack(below, whole=True), Writer()
    of.write_excess(text, bins)
    of.push(stack, bins)
    stack = BitStack(stack.words)
    np.testing.assert_array_equal(of.pop(stack, Reader(text.finish())), bins)
    np.testing.assert_array_equal(stack.original(), below)


@pytest.mark.parametrize("log_sigma", [-2.0, 0.0, 1.5, 4.0])
def test_what_is_popped_is_drawn_from_the_gaussian(log_sigma, rng):
    """Kolmogorov–Smirnov, on both sides of where bins come in packs (σ = 4)."""
    n = 20_000
    of = DiscretizedGaussian.of(Gaussian(np.full(n, 3.06), np.full(n, log_sigma)), (n,))
    stack = BitStack(rng.integers(0, 2**32, n, dtype=np.uint32), whole=True)
    z = of.pop(stack) * WIDTH + WIDTH * rng.uniform(-0.5, 0.5, n)
    # The mean is an eighth's, the scale a ladder's.
    mean = np.rint(3.06 * 8) / 8
    step = np.log(2) / 8
    first = np.log(0.125 / 32)
    scale = np.exp(first + step * np.rint((log_sigma - first) / step))
    place = np.sort(norm.cdf((z - mean) / scale))
    distance = np.abs(place - (np.arange(n) + 0.5) / n).max()
    assert distance < 1.63 / n**0.5 + 0.5 / n  # one in a hundred lies further


@pytest.mark.parametrize(("narrow", "wide"), [(-1.2, -1.0), (-1.2, 1.0), (-1.0, 4.0), (-2.0, 6.0)])
def test_drawn_by_one_and_told_by_another_costs_their_divergence(narrow, wide, rng):
    n = 20_000
    mean = rng.normal(0, np.exp(wide), n)
    q = Gaussian(mean, np.full(n, narrow))
    p = Gaussian(np.zeros(n), np.full(n, wide))
    drawing, telling = (DiscretizedGaussian.of(of, (n,)) for of in (q, p))
    stack = BitStack(rng.integers(0, 2**32, 2 * n, dtype=np.uint32), whole=True)
    before = stack.bits
    bins = drawing.pop(stack)
    text = Writer()
    telling.write_excess(text, bins)
    telling.push(stack, bins)
    ideal = np.asarray(kl_bits(q.mu, q.log_sigma, p.mu, p.log_sigma)).sum()
    # Each element's difference has a deviation of a bit or so; an eighth of a scale costs little.
    cost = (stack.bits - before + 8 * len(text.finish()) - ideal) / n
    assert -4 * 1.5 / n**0.5 < cost < 4 * 1.5 / n**0.5 + 0.03


def test_both_sides_take_the_same_where_floats_differ_by_less_than_the_band(rng):
    q = _gaussians(rng, 20_000)
    text = Writer()
    written = DiscretizedGaussian.of(q, (20_000,), text)
    off = Gaussian(q.mu + 1.5e-5, q.log_sigma - 5e-6)
    reader = Reader(text.finish())
    read = DiscretizedGaussian.of(off, (20_000,), reader)
    np.testing.assert_array_equal(read.place, written.place)
    np.testing.assert_array_equal(read.scale, written.scale)
    assert reader.crc == text.crc
    alone = DiscretizedGaussian.of(off, (20_000,))
    assert not np.array_equal(alone.place, written.place)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="not finite"):
        DiscretizedGaussian.of(Gaussian(np.array([0.0, bad]), np.zeros(2)), (2,))
