import numpy as np
import pytest

from rdbound.coding.entropy.integer_codes import bytes_of_numbers, numbers_of_bytes


@pytest.mark.parametrize("spread", [0, 0.3, 5, 17, 300, 1e6])
def test_what_is_written_is_read_at_the_entropy_of_a_gaussian(spread, rng):
    values = np.rint(rng.normal(size=20_000) * spread).astype(np.int64)
    data = bytes_of_numbers(values)
    np.testing.assert_array_equal(numbers_of_bytes(data, 20_000), values)
    counts = np.unique(np.rint(values / max(1.0, spread / 12)), return_counts=True)[1]
    fine = np.log2(max(1.0, spread / 12))
    p = counts / counts.sum()
    entropy = -(p * np.log2(p)).sum() + fine
    assert 8 * len(data) / 20_000 < entropy + 0.12


@pytest.mark.parametrize(
    "values", [[], [0], [-5], [3, -(2**29)], [2**29] * 7, list(range(-400, 400))]
)
def test_any_numbers_return(values):
    found = numbers_of_bytes(bytes_of_numbers(np.array(values, np.int64)), len(values))
    np.testing.assert_array_equal(found, values)


def test_what_is_no_numbers_is_refused(rng):
    with pytest.raises(ValueError, match="2\\^30"):
        bytes_of_numbers(np.array([2**31]))
    refused = 0
    for _ in range(200):
        try:
            assert numbers_of_bytes(rng.bytes(30), 50).shape == (50,)
        except ValueError:
            refused += 1
    assert refused, "what is no such stream is a ValueError or some numbers, and nothing else"
    with pytest.raises(ValueError, match=r"no such numbers|needs a weight"):
        numbers_of_bytes(b"", 5)
