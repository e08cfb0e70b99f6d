"""Bytes of a mean-field posterior: read back, near the entropy, and refused where damaged."""

import contextlib
import struct
import zlib

import numpy as np
import pytest

from rdbound.coding.codecs.container import BitstreamError
from rdbound.coding.coders.vbq.mean_field import (
    compress_posterior,
    decompress_posterior,
    quantized_posterior,
)


def _posterior(rng, shape=(300, 40)):
    means = 0.1 + 0.5 * rng.normal(size=shape)
    return means, 0.5 * np.exp(rng.uniform(-4, 0, shape))


@pytest.mark.parametrize("shape", [(1,), (3,), (300, 40), (2, 3, 4, 5)])
@pytest.mark.parametrize("penalty", [0.02, 0.7, 50.0])
def test_what_is_read_was_chosen(shape, penalty, rng):
    means, scales = _posterior(rng, shape)
    data = compress_posterior(means, scales, penalty)
    values, _ = quantized_posterior(means, scales, penalty)
    found = decompress_posterior(data)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


def test_the_bytes_are_the_entropy_of_the_points(rng):
    means, scales = _posterior(rng, (2000, 100))
    values, _ = quantized_posterior(means, scales)
    counts = np.unique(values, return_counts=True)[1]
    entropy = counts.sum() * np.log2(counts.sum()) - (counts * np.log2(counts)).sum()
    written = 8 * len(compress_posterior(means, scales))
    # Counts of whole quarter octaves, and points of six bits and more by intervals.
    assert written < 1.02 * entropy + 8 * 192
    assert written > 0.98 * entropy


@pytest.mark.parametrize("penalty", [0.3, 3.0])
def test_rounds_lessen_what_bits_and_error_cost_together(penalty, rng):
    """J = code length + error in units of the posterior, as weighed by the penalty."""
    means, scales = _posterior(rng, (400, 50))
    costs = []
    for rounds in (0, 1, 2, 6):
        data = compress_posterior(means, scales, penalty, rounds)
        values = decompress_posterior(data)
        np.testing.assert_array_equal(
            values, quantized_posterior(means, scales, penalty, rounds)[0]
        )
        error = np.sum((values - means) ** 2 / (2 * penalty * scales**2))
        costs.append((8 * len(data) + error) / means.size)
    assert costs[0] - 0.05 > costs[1] > costs[2] >= costs[3] - 0.01


def test_precise_numbers_are_told_precisely(rng):
    means, _ = _posterior(rng)
    scales = np.where(np.arange(40) < 20, 0.001, 0.5) * np.ones(means.shape)
    error = np.abs(decompress_posterior(compress_posterior(means, scales)) - means)
    # Half a bit of the log-density is about one standard deviation.
    assert error[:, :20].std() < 0.002
    assert error[:, 20:].mean() > 0.1
    _, bits = quantized_posterior(means, scales)
    assert bits[:, :20].mean() > 6 > 3 > bits[:, 20:].mean()


def test_the_prior_has_mean_and_spread_of_the_means(rng):
    means, _ = _posterior(rng)
    values, bits = quantized_posterior(means, np.full(means.shape, 0.2))
    quartiles = np.unique(values[bits == 2])
    expected = means.mean() + 0.67449 * means.std() * np.array([-1, 1])
    np.testing.assert_allclose(quartiles, expected, rtol=1e-4)


def test_a_penalty_beyond_all_leaves_the_mean_of_the_prior(rng):
    means, scales = _posterior(rng)
    data = compress_posterior(means, scales, 1e6)
    np.testing.assert_allclose(decompress_posterior(data), means.mean(), rtol=1e-6)
    assert len(data) < 200


def test_damage_is_told(rng):
    data = compress_posterior(*_posterior(rng, (20,)))
    for n in range(len(data)):
        with pytest.raises(BitstreamError):
            decompress_posterior(data[:n])
    damaged = bytearray(data)
    damaged[-1] ^= 1
    with pytest.raises(BitstreamError, match="damaged"):
        decompress_posterior(bytes(damaged))


def _with_crc(payload):
    return b"RDV\x01" + struct.pack("<Iff", zlib.crc32(payload), 0.0, 1.0) + payload


def test_what_strangers_write_ends_in_values_or_in_one_kind_of_error(rng):
    data = compress_posterior(*_posterior(rng, (20,)))
    for _ in range(300):
        payload = bytearray(data[16:])
        payload[rng.integers(len(payload))] ^= int(rng.integers(1, 256))
        with contextlib.suppress(BitstreamError):
            assert decompress_posterior(_with_crc(bytes(payload)), 1000).size
    with pytest.raises(BitstreamError, match="20 values, more than max_values = 19"):
        decompress_posterior(data, 19)
    assert decompress_posterior(data, 20).shape == (20,)


@pytest.mark.parametrize(
    ("means", "scales", "message"),
    [
        (np.zeros(3), np.ones(2), "expected one scale a mean"),
        (np.zeros(0), np.ones(0), "expected one scale a mean"),
        (np.array([np.nan]), np.ones(1), "not finite"),
        (np.zeros(1), np.zeros(1), "not positive"),
    ],
)
def test_what_is_no_posterior_is_refused(means, scales, message):
    with pytest.raises(ValueError, match=message):
        compress_posterior(means, scales)
