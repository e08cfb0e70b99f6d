import struct
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbound.channels import RoundingChannel
from rdbound.checkpoints.checkpoint import load, save_checkpoint
from rdbound.coding import CODERS, BitstreamError, Codec
from rdbound.coding.codecs.container import Header, read_container, write_container
from rdbound.coding.coders.rounding import RoundingCoder
from rdbound.coding.entropy.guard_list import BAND
from rdbound.models import make_model
from rdbound.objective.datum import image_datum, whole
from rdbound.objective.objective import eight_bit, objective
from rdbound.ops.distributions import Gaussian, Lookup, Mixture
from tests.toy import OUTSIDE, SPEC, Toy

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def model():
    return Toy()


@pytest.fixture(scope="module")
def codec(model):
    return Codec(model)


def _image(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def _expected(model, image, lmbda=0.01, variational=None):
    """The rounding channel's reconstruction and ideal bits."""
    terms = objective(
        model,
        RoundingChannel(),
        image_datum(image, 8),
        jax.random.key(0),
        np.float32(lmbda),
        variational,
        decode=eight_bit,
    )
    x_hat = np.rint(np.asarray(terms.x_hat) * 255).astype(np.uint8)
    return x_hat[: image.shape[0], : image.shape[1]], float(sum(terms.bits))


def _alike(decoded, expected):
    """Eager and compiled arithmetic may part at a rounding boundary, rarely."""
    return decoded.shape == expected.shape and np.mean(decoded != expected) < 1e-3


@pytest.mark.parametrize("lmbda", [0.001, 0.01, 0.1])
def test_decodes_to_the_rounding_channels_reconstruction_at_its_rate(model, codec, rng, lmbda):
    image = _image(rng, 160, 120)
    data = codec.encode(image, lmbda).data
    decoded = codec.decode(data).datum
    expected, bits = _expected(model, image, lmbda)
    assert decoded.dtype == np.uint8
    assert decoded.shape == image.shape
    assert _alike(decoded, expected)
    # Header, last word, guard list and 20-bit tables; nothing else.
    assert bits < 8 * len(data) < 1.01 * bits + 8 * 60


# The padded sizes stay few, so that little is compiled; the true ones cover 1 to 200.
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**31))
def test_any_size_round_trips(height, width, seed):
    codec = _CODEC
    height, width = (n if n % 8 < 3 or n < 9 else n // 64 * 64 + 8 for n in (height, width))
    image = _image(np.random.default_rng(seed), height, width)
    assert _alike(codec.decode(codec.encode(image, 0.01).data).datum, _expected(_MODEL, image)[0])


_MODEL = Toy()
_CODEC = Codec(_MODEL)


@pytest.mark.parametrize("value", [0, 127, 255])
def test_constant_images_round_trip(model, codec, value):
    image = np.full((40, 24, 3), value, np.uint8)
    assert _alike(codec.decode(codec.encode(image, 0.01).data).datum, _expected(model, image)[0])


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 7.5), st.integers(0, 2**31))
def test_extreme_latents_round_trip(exponent, seed):
    rng = np.random.default_rng(seed)
    image = np.zeros((16, 16, 3), np.uint8)
    latents = [
        (rng.standard_normal(s) * 10**exponent).clip(-1e9, 1e9).astype(np.float32)
        for s in ((2, 2, 4), (2, 2, 16))
    ]
    variational = tuple(Gaussian(mu, np.zeros_like(mu)) for mu in latents)
    data = _CODEC.encode(image, 0.01, variational).data
    assert _alike(_CODEC.decode(data).datum, _expected(_MODEL, image, 0.01, variational)[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0**31])
def test_impossible_latents_are_an_error(codec, bad):
    shapes = ((2, 2, 4), (2, 2, 16))
    variational = tuple(Gaussian(np.full(s, bad, np.float32), np.zeros(s)) for s in shapes)
    with pytest.raises(ValueError, match="not finite or larger"):
        codec.encode(np.zeros((16, 16, 3), np.uint8), 0.01, variational)


def _sealed(data):
    """The stream with the checksum that its bytes have."""
    return data[:4] + struct.pack("<I", zlib.crc32(data[8:])) + data[8:]


def test_no_damaged_stream_decodes_and_none_breaks_the_decoder(codec, rng):
    """Every bit flipped; with a forged checksum an image may come out, and nothing else."""
    data = codec.encode(_image(rng, 5, 9)).data
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))
        if bit % 2 and bit // 8 not in _SIZES:
            with suppress(BitstreamError):
                assert codec.decode(_sealed(bytes(damaged))).datum.shape == (5, 9, 3)


_SIZES = (24, 25)  # the bytes of height and width: any size is compiled anew


@pytest.mark.parametrize(("height", "width"), [(8192, 8192), (65535, 65535), (2**20, 33)])
def test_a_stream_that_declares_too_much_is_refused_before_it_is_allocated(codec, height, width):
    bomb = write_container(Header(codec.fingerprint, 0, 0.01, height, width), b"")
    assert len(bomb) <= 31
    with pytest.raises(BitstreamError, match=r"pixels with its padding, more than the limit of 33"):
        codec.decode(bomb)


def test_the_limit_counts_padding_on_both_sides_and_can_be_raised(model, codec, rng):
    image = _image(rng, 17, 8)  # 24 × 8 with its padding
    data = codec.encode(image).data
    small, exact = (Codec(model, codec.tables, max_pixels=n) for n in (191, 192))
    with pytest.raises(
        ValueError, match="8×17 is 192 pixels with its padding, more than the limit of 191"
    ):
        small.encode(image)
    with pytest.raises(BitstreamError, match="8×17 is 192 pixels"):
        small.decode(data)
    np.testing.assert_array_equal(exact.decode(data).datum, codec.decode(data).datum)
    assert (
        exact.encode(image).data == Codec(model, codec.tables, max_pixels=None).encode(image).data
    )


def test_a_lambda_that_the_model_does_not_serve_is_refused(model, codec, rng):
    image = _image(rng, 8, 8)
    header, payload = read_container(codec.encode(image).data, codec.fingerprint)
    for lmbda in (1e-5, 0.2):
        with pytest.raises(BitstreamError, match=r"outside the model's range, 0\.001 to 0\.1"):
            codec.decode(write_container(replace(header, lmbda=lmbda), payload))
    for lmbda in codec.lmbda_range:
        decoded = codec.decode(codec.encode(image, lmbda).data).datum
        assert _alike(decoded, _expected(model, image, lmbda)[0])


def test_a_reconstruction_that_is_not_finite_is_no_image(rng):
    model = Toy()
    model.decode.bias[...] = model.decode.bias[...].at[5].set(jnp.nan)
    broken = Codec(model)
    with pytest.raises(BitstreamError, match="reconstruction is not finite"):
        broken.decode(broken.encode(_image(rng, 8, 8)).data)


def test_vectors_of_another_dimension_are_refused(rng):
    codec = Codec(make_model("mlp", "codec", 4.0, dimension=3, hidden=[]))
    with pytest.raises(ValueError, match=r"the model is of vectors \[3\], not \[4\]"):
        codec.encode(rng.standard_normal((5, 4)))
    with pytest.raises(BitstreamError, match=r"the model is of vectors \[3\], not \[4\]"):
        codec.decode(write_container(Header(codec.fingerprint, 0, 4.0, 5, 4), b""))
    small = Codec(make_model("mlp", "codec", 4.0, dimension=3, hidden=[]), max_pixels=14)
    with pytest.raises(ValueError, match="3×5 is 15 pixels"):
        small.encode(rng.standard_normal((5, 3)))
    one = Codec(make_model("mlp", "codec", 4.0, dimension=1, hidden=[]), max_pixels=None)
    with pytest.raises(ValueError, match="1×1048577: a file holds no side above 1,048,576"):
        one.encode(np.zeros((2**20 + 1, 1)))


def perturbed(model, noise):
    """A codec on a machine whose log-scales are off by ``noise(shape)``."""

    class Moved(type(model)):
        def prior(self, *arguments, **extent):
            found = super().prior(*arguments, **extent)
            if not isinstance(found, Gaussian):
                return found
            return found._replace(log_sigma=found.log_sigma + noise(found.mu.shape))

    Moved.__name__ = type(model).__name__  # which the fingerprint holds
    moved = nnx.clone(model)
    object.__setattr__(moved, "__class__", Moved)
    return Codec(moved)


def test_a_decoder_off_by_less_than_the_band_gets_the_identical_image(codec, rng):
    image = _image(rng, 160, 160)
    data = codec.encode(image).data
    for _ in range(3):
        other = perturbed(Toy(), lambda s: rng.uniform(-BAND, BAND, s).astype(np.float32) * 0.95)
        np.testing.assert_array_equal(other.decode(data).datum, codec.decode(data).datum)


def test_a_decoder_off_by_more_gets_an_error_and_no_image(codec, rng):
    data = codec.encode(_image(rng, 160, 160)).data
    other = perturbed(Toy(), lambda s: np.full(s, 0.01, np.float32))
    with pytest.raises(BitstreamError, match="more than the guard band"):
        other.decode(data)


def test_a_panic_of_the_range_coder_is_a_bitstream_error(codec, rng, monkeypatch):
    class PanicException(BaseException):  # as pyo3's: not an Exception
        pass

    def panic(*_):
        raise PanicException("called `Result::unwrap()` on an `Err` value")

    data = codec.encode(_image(rng, 9, 9)).data
    monkeypatch.setattr("rdbound.coding.entropy.range_coder.Reader.symbols", panic)
    with pytest.raises(BitstreamError, match="more than the guard band"):
        codec.decode(data)


def test_another_model_is_refused(codec, rng):
    data = codec.encode(_image(rng, 9, 9)).data
    with pytest.raises(BitstreamError, match="another model"):
        Codec(Toy(seed=1)).decode(data)


def test_mistakes_are_named(codec):
    with pytest.raises(
        ValueError, match="the coder 'rounding' serves no checkpoint of form 'bound'"
    ):
        Codec(Toy(form="bound"), coder="rounding")
    with pytest.raises(ValueError, match="expected a uint8 image"):
        codec.encode(np.zeros((8, 8, 3), np.float32))
    with pytest.raises(ValueError, match=r"outside the model's range, 0.001 to 0.1"):
        codec.encode(np.zeros((8, 8, 3), np.uint8), 0.5)


def test_a_fresh_process_decodes_from_disk(rng, tmp_path):
    """Model, tables and stream read back by another process: the same image."""
    import subprocess
    import sys

    path = save_checkpoint(tmp_path / "toy.safetensors", Toy(), SPEC)
    loaded = load(path, OUTSIDE)
    codec, image = Codec(loaded.model, loaded.tables), _image(rng, 33, 41)
    (tmp_path / "a.rdb").write_bytes(codec.encode(image, 0.02).data)
    code = (
        "import sys, numpy as np; from rdbound.checkpoints.checkpoint import load; "
        "from rdbound.coding import Codec; c = load(sys.argv[1], ['tests.toy:Toy']); "
        "d = Codec(c.model, c.tables).decode(open(sys.argv[2], 'rb').read()).datum; "
        "np.save(sys.argv[3], d)"
    )
    arguments = [str(path), str(tmp_path / "a.rdb"), str(tmp_path / "a.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=ROOT)
    decoded = codec.decode((tmp_path / "a.rdb").read_bytes()).datum
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), decoded)


class Mixtures(Toy):
    """Level 1 has a density a channel of its own, wider than that of level 0."""

    constant = True

    def prior(self, level, latents, lmbda):
        if level == 0:
            return super().prior(level, latents, lmbda)
        wide = jnp.tile(jnp.array([0.5, 2.5]), (16, 1))
        mean = jnp.zeros((16, 2)) if self.constant else jnp.mean(latents[0]) + jnp.zeros((16, 2))
        return Mixture(jnp.log(jnp.full((16, 2), 0.5)), mean, wide, jnp.zeros(16))


def test_a_mixture_at_a_level_above_the_first_has_tables_of_its_own(rng):
    """Coded with the tables of level 0, bits would lie far above the ideal."""
    model, image = Mixtures(), _image(rng, 160, 120)
    codec = Codec(model)
    assert set(codec.tables) == {"gaussian", "factorized", "factorized-1"}
    data = codec.encode(image, 0.02).data
    expected, bits = _expected(model, image, 0.02)
    assert bits < 8 * len(data) < 1.01 * bits + 8 * 60
    assert (codec.decode(data).datum != expected).mean() < 1e-3


def test_a_density_that_no_fixed_table_can_code_is_refused():
    class Moving(Mixtures):
        constant = False

    with pytest.raises(ValueError, match=r"level 1 .* depends on the levels before it"):
        Codec(Moving())


class Laplace(NamedTuple):
    """A third family: nothing of the codec knows its name."""

    mu: jax.Array
    log_sigma: jax.Array

    @property
    def centre(self):
        return self.mu

    @staticmethod
    def standard_mass(r, sigma):
        cdf = lambda t: np.where(t < 0, 0.5 * np.exp(t / sigma), 1 - 0.5 * np.exp(-t / sigma))  # noqa: E731
        return cdf(np.asarray(r) + 0.5) - cdf(np.asarray(r) - 0.5)

    def table_of(self, shape):
        return Lookup("laplace", np.broadcast_to(np.asarray(self.log_sigma), shape), True)

    def bin_bits(self, y):
        s = jnp.exp(self.log_sigma)
        cdf = lambda t: jnp.where(t < 0, 0.5 * jnp.exp(t / s), 1 - 0.5 * jnp.exp(-t / s))  # noqa: E731
        return -jnp.log2(cdf(y - self.mu + 0.5) - cdf(y - self.mu - 0.5) + 1e-9)


def test_a_third_family_of_priors_needs_no_change_in_the_codec(rng):
    class Heavy(Toy):
        def prior(self, level, latents, lmbda):
            found = super().prior(level, latents, lmbda)
            return Laplace(*found) if level else found

    model, image = Heavy(), _image(rng, 160, 120)
    codec = Codec(model)
    assert set(codec.tables) == {"gaussian", "factorized", "laplace"}
    data = codec.encode(image, 0.02).data
    expected, bits = _expected(model, image, 0.02)
    # Tables in steps of 13 % of the scale cost a heavy tail up to 1 % more.
    assert 0.99 * bits < 8 * len(data) < 1.02 * bits + 8 * 60
    assert (codec.decode(data).datum != expected).mean() < 1e-3


class Doubled(RoundingCoder):
    """A coder with a parameter: everything is rounded to multiples of a step."""

    name, code = "stepped", 77

    def __init__(self, tables, step: int = 2):
        super().__init__(tables)
        self.step = step

    @property
    def parameters(self):
        return {"step": self.step}

    def write(self, level, posterior, prior, stream):
        mu = (np.asarray(posterior.mu) - prior.centre) / self.step + prior.centre
        written = super().write(level, posterior._replace(mu=mu), prior, stream)
        return (written - prior.centre) * self.step + prior.centre

    def read(self, level, prior, shape, stream):
        return (super().read(level, prior, shape, stream) - prior.centre) * self.step + prior.centre


def test_the_container_names_the_coder_and_its_parameters(model, codec, rng, monkeypatch):
    monkeypatch.setitem(CODERS, "stepped", Doubled)
    image = _image(rng, 160, 120)
    stepped = Codec(model, coder="stepped", step=3)
    data, plain = stepped.encode(image, 0.02).data, codec.encode(image, 0.02).data
    assert (data[3], plain[3]) == (2, 1)
    assert len(data) < len(plain), "coarser symbols"
    np.testing.assert_array_equal(codec.decode(data).datum, stepped.decode(data).datum)
    np.testing.assert_array_equal(stepped.decode(plain).datum, codec.decode(plain).datum)
    for n in range(60):
        damaged = bytearray(data)
        damaged[n] ^= 0x55
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))
    monkeypatch.delitem(CODERS, "stepped")
    with pytest.raises(BitstreamError, match="written by coder 77, which this rdbound lacks"):
        codec.decode(data)
    with pytest.raises(ValueError, match="unknown coder 'stepped'"):
        Codec(model, coder="stepped")


def test_a_block_of_vectors_is_one_stream(key):
    """What is read is what the rounding channel says, at its rate."""
    model = make_model("mlp", "codec", 4.0, dimension=3, hidden=[])
    vectors = np.asarray(2.0 * jax.random.normal(key, (500, 3)))
    codec = Codec(model)
    data = codec.encode(vectors, 4.0).data
    one = lambda x: objective(model, RoundingChannel(), whole(x), key, jnp.float32(4.0))  # noqa: E731
    terms = jax.vmap(one)(jnp.asarray(vectors))
    np.testing.assert_allclose(codec.decode(data).datum, terms.x_hat, atol=1e-5)
    bits = float(terms.bits[0].sum())
    assert bits < 8 * len(data) < 1.005 * bits + 8 * 45
    with pytest.raises(ValueError, match=r"expected vectors \[count, n\]"):
        codec.encode(vectors[0])
