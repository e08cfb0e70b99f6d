import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbound.channels import RoundingChannel
from rdbound.coding import BitstreamError, Codec
from rdbound.coding.guard import BAND
from rdbound.objective import eight_bit, objective
from rdbound.ops.distributions import Gaussian
from rdbound.images.files import to_datum
from tests.toy import Toy


@pytest.fixture(scope="module")
def model():
    return Toy()


@pytest.fixture(scope="module")
def codec(model):
    return Codec(model)


def _image(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def _expected(model, image, lmbda):
    """The rounding channel's reconstruction and ideal bits."""
    terms = objective(model, RoundingChannel(), to_datum(image, 8), jax.random.key(0),
                      np.float32(lmbda), decode=eight_bit)  # fmt: skip
    x_hat = np.rint(np.asarray(terms.x_hat) * 255).astype(np.uint8)
    return x_hat[: image.shape[0], : image.shape[1]], float(sum(terms.bits))


@pytest.mark.parametrize("lmbda", [0.001, 0.01, 0.1])
def test_decodes_to_the_rounding_channels_reconstruction_at_its_rate(model, codec, rng, lmbda):
    image = _image(rng, 160, 120)
    data = codec.compress(image, lmbda)
    decoded = codec.decompress(data)
    expected, bits = _expected(model, image, lmbda)
    assert decoded.dtype == np.uint8
    assert decoded.shape == image.shape
    # Eager and compiled arithmetic may part at a rounding boundary, rarely.
    assert (decoded != expected).mean() < 1e-3
    # Header, last word, guard list and 20-bit tables; nothing else.
    assert bits < 8 * len(data) < 1.01 * bits + 8 * 60


# The padded sizes stay few, so that little is compiled; the true ones cover 1 to 200.
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**31))
def test_any_size_round_trips(height, width, seed):
    codec = _CODEC
    height, width = (n if n % 8 < 3 or n < 9 else n // 64 * 64 + 8 for n in (height, width))
    image = _image(np.random.default_rng(seed), height, width)
    data = codec.compress(image)
    decoded = codec.decompress(data)
    assert decoded.shape == image.shape
    np.testing.assert_array_equal(codec.decompress(codec.compress(image)), decoded)


_CODEC = Codec(Toy())


@pytest.mark.parametrize("value", [0, 127, 255])
def test_constant_images_round_trip(codec, value):
    image = np.full((40, 24, 3), value, np.uint8)
    assert codec.decompress(codec.compress(image)).shape == image.shape


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 7.5), st.integers(0, 2**31))
def test_extreme_latents_round_trip(exponent, seed):
    rng = np.random.default_rng(seed)
    image = np.zeros((16, 16, 3), np.uint8)
    latents = [(rng.standard_normal(s) * 10**exponent).clip(-1e9, 1e9).astype(np.float32)
               for s in ((2, 2, 4), (2, 2, 16))]  # fmt: skip
    posteriors = tuple(Gaussian(mu, np.zeros_like(mu)) for mu in latents)
    data = _CODEC.compress(image, 0.01, posteriors)
    assert _CODEC.decompress(data).shape == image.shape


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0**31])
def test_impossible_latents_are_an_error(codec, bad):
    shapes = ((2, 2, 4), (2, 2, 16))
    posteriors = tuple(Gaussian(np.full(s, bad, np.float32), np.zeros(s)) for s in shapes)
    with pytest.raises(ValueError, match="not finite or larger"):
        codec.compress(np.zeros((16, 16, 3), np.uint8), 0.01, posteriors)


def test_every_corruption_and_truncation_of_a_small_image_is_an_error(codec, rng):
    data = codec.compress(_image(rng, 5, 9))
    for n in range(len(data)):
        with pytest.raises(BitstreamError):
            codec.decompress(data[:n])
        damaged = bytearray(data)
        damaged[n] ^= 0x55
        with pytest.raises(BitstreamError):
            codec.decompress(bytes(damaged))


def _perturbed(model, noise):
    """A codec on a machine whose log-scales are off by ``noise(shape)``."""
    codec = Codec(model)
    exact = codec._prior

    def prior(params, level, latents, lmbda):
        found = exact(params, level, latents, lmbda)
        if not isinstance(found, Gaussian):
            return found
        return found._replace(log_sigma=np.asarray(found.log_sigma) + noise(found.mu.shape))

    codec._prior = prior
    return codec


def test_a_decoder_off_by_less_than_the_band_gets_the_identical_image(model, codec, rng):
    image = _image(rng, 160, 160)
    data = codec.compress(image)
    for _ in range(3):
        other = _perturbed(model, lambda s: rng.uniform(-BAND, BAND, s).astype(np.float32) * 0.95)
        np.testing.assert_array_equal(other.decompress(data), codec.decompress(data))


def test_a_decoder_off_by_more_gets_an_error_and_no_image(model, codec, rng):
    data = codec.compress(_image(rng, 160, 160))
    other = _perturbed(model, lambda s: np.full(s, 0.01, np.float32))
    with pytest.raises(BitstreamError, match="more than the guard band"):
        other.decompress(data)


def test_a_panic_of_the_range_coder_is_a_bitstream_error(codec, rng, monkeypatch):
    class PanicException(BaseException):  # as pyo3's: not an Exception
        pass

    def panic(*_):
        raise PanicException("called `Result::unwrap()` on an `Err` value")

    data = codec.compress(_image(rng, 9, 9))
    monkeypatch.setattr("rdbound.coding.codec.Reader.symbols", panic)
    with pytest.raises(BitstreamError, match="more than the guard band"):
        codec.decompress(data)


def test_another_model_is_refused(codec, rng):
    data = codec.compress(_image(rng, 9, 9))
    with pytest.raises(BitstreamError, match="another model"):
        Codec(Toy(seed=1)).decompress(data)


def test_mistakes_are_named(codec):
    with pytest.raises(ValueError, match="is a bound"):
        Codec(Toy(form="bound"))
    with pytest.raises(ValueError, match="expected a uint8 image"):
        codec.compress(np.zeros((8, 8, 3), np.float32))
    with pytest.raises(ValueError, match=r"outside the model's range, 0.001 to 0.1"):
        codec.compress(np.zeros((8, 8, 3), np.uint8), 0.5)
