"""Bits-back: image and side information return, and the net rate is the bound on −log₂ P(ŷ)."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels.combinators import anchored
from rdbound.coding import BitstreamError, Codec
from rdbound.coding.codecs.bits_back.reproducible_inference import inferred
from rdbound.coding.codecs.bits_back.side_information import side_bytes
from rdbound.coding.codecs.container import Header, named_coder, read_container, write_container
from rdbound.objective.datum import image_datum
from rdbound.ops.distributions import Gaussian, Mixture
from rdbound.ops.gaussian import LN2
from tests.coding.codecs.damage import assert_refused
from tests.toy import Toy

STEPS = 20
_CODEC = Codec(Toy("codec"), coder="bits-back", steps=STEPS)


def _image(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (65, 129), (160, 120)])
@pytest.mark.parametrize("length", [0, 1, 999, 20_000])
def test_image_and_side_information_return(size, length, rng):
    image, side = _image(rng, *size), rng.bytes(length)
    encoded = _CODEC.encode(image, 0.01, side=side)
    decoded, back = _CODEC.decode(encoded.data)
    assert back == side
    assert decoded.shape == image.shape
    other = _CODEC.decode(_CODEC.encode(image, 0.01, side=b"").data).datum
    # ŷ is the same whatever rides along, and the Toy's image is made of it alone.
    np.testing.assert_array_equal(decoded, other)
    assert side_bytes(encoded.data) == encoded.side_bytes == length


def _parts(image, lmbda):
    """(the model, ŷ, Q) of an image."""
    model, x = Toy("codec"), image_datum(image, 8).x
    z, y = model.infer(x, jnp.float32(lmbda))
    y = jnp.round(y.mu)
    return model, y, inferred(model, y, z.mu.shape, lmbda, STEPS)


def test_the_net_rate_is_that_of_the_channel(rng):
    """Of 24 files with other side information, within four standard errors and the tables' loss."""
    image, lmbda = _image(rng, 64, 80), 0.02
    model, y, q = _parts(image, lmbda)

    @jax.jit
    def bits(key):
        z, log_q = Gaussian(*q).draw(key)
        rate = (log_q - model.prior(0, (), lmbda).log_density(z)).sum() / LN2
        return rate + anchored(model.prior(1, (z,), lmbda)).bin_bits(y).sum()

    ideal = np.array([bits(key) for key in jax.random.split(jax.random.key(5), 400)])
    sides = [rng.bytes(2000) for _ in range(24)]
    net = np.array([8 * (len(_CODEC.encode(image, lmbda, side=s).data) - len(s)) for s in sides])
    error = (ideal.var() / len(ideal) + net.var() / len(net)) ** 0.5
    assert -4 * error < net.mean() - ideal.mean() < 4 * error + 0.01 * ideal.mean() + 8 * 120


def test_what_is_drawn_is_the_entropy_of_q(rng):
    image, lmbda = _image(rng, 64, 80), 0.02
    _, _, q = _parts(image, lmbda)
    entropy = np.sum(0.5 * np.log2(2 * np.pi * np.e) + np.asarray(q.log_sigma) / LN2 + 5.0)
    drawn = [_CODEC.encode(image, lmbda, side=rng.bytes(2000)).drawn_bits for _ in range(16)]
    error = (0.5 * np.asarray(q.mu).size) ** 0.5 / LN2 / 4  # of a mean of 16
    # Scales of a ladder 0.06 off at most, half of which show in a draw's bits.
    assert abs(np.mean(drawn) - entropy) < 4 * error + 0.01 * entropy + 32


def test_bits_that_are_lacking_are_paid_for(rng):
    image = _image(rng, 64, 80)
    much, none = (_CODEC.encode(image, 0.02, side=side) for side in (rng.bytes(2000), b""))
    assert much.filled_bits == 0
    assert none.filled_bits == none.drawn_bits > 500
    over = 8 * len(none.data) - 8 * (len(much.data) - 2000)
    assert abs(over - none.drawn_bits) < 0.1 * none.drawn_bits + 160


class _Line(nnx.Module):
    """z ~ N(0, 1), y given z ~ N(3·z, 40²) a channel: the posterior of z is known."""

    stride, form, lmbda_range = 8, "codec", (0.01, 0.01)

    def __init__(self):
        self.slope = nnx.Param(jnp.float32(3.0))

    def infer(self, x, lmbda):
        shape = (x.shape[0] // 8, x.shape[1] // 8, 4)
        wide = Gaussian(jnp.zeros(shape), jnp.zeros(shape))
        return wide, wide

    def prior(self, level, latents, lmbda):
        if level == 0:
            return Mixture(*(jnp.zeros((4, 1)) for _ in range(3)), jnp.zeros(4))
        mean = self.slope[...] * latents[0]
        return Gaussian(mean, jnp.full(mean.shape, jnp.log(40.0)))

    def synthesize(self, latents, lmbda):
        h, w, _ = latents[1].shape
        return jnp.zeros((8 * h, 8 * w, 3))


def test_inference_finds_the_posterior(rng):
    y = np.rint(rng.normal(0, 400, (2, 3, 4))).astype(np.float32)
    q = inferred(_Line(), y, (2, 3, 4), 0.01, 2000)
    precision = 1 + 9 / 1600
    for found, expected in (
        (q.mu, 3 / 1600 * y / precision),
        (q.log_sigma, -0.5 * np.log(precision)),
    ):
        # One draw a step: the last ones leave their noise.
        error = np.abs(found - expected)
        assert error.max() < 0.15
        assert error.mean() < 0.06


def test_no_step_leaves_what_the_network_says(rng):
    y = rng.normal(0, 4, (8, 10, 16)).round().astype(np.float32)
    q = inferred(Toy("codec"), y, (8, 10, 4), 0.01, 0)
    x_hat = jnp.clip(Toy("codec").synthesize((None, jnp.asarray(y)), 0.01), 0, 1)
    np.testing.assert_allclose(q.mu, Toy("codec").infer(x_hat, 0.01)[0].mu, atol=1e-5)


def test_steps_of_inference_shorten_the_file(rng):
    image, side = _image(rng, 64, 80), rng.bytes(3000)
    sizes = [
        len(Codec(Toy("codec"), None, "bits-back", steps=steps).encode(image, 0.05, side=side).data)
        for steps in (0, 200)
    ]
    assert sizes[1] < sizes[0]


def test_refined_variational_parameters_are_what_is_conveyed(rng):
    image = _image(rng, 16, 24)
    z, y = Toy("codec").infer(image_datum(image, 8).x, jnp.float32(0.02))
    moved = (z, Gaussian(y.mu + 3.0, y.log_sigma))
    data = _CODEC.encode(image, 0.02, variational=moved).data
    expected = Toy("codec").synthesize((None, jnp.round(moved[1].mu)), jnp.float32(0.02))
    found = _CODEC.decode(data).datum
    difference = found - 255 * np.clip(np.asarray(expected), 0, 1)
    assert np.abs(difference).max() < 0.51


def test_another_process_reads_it(rng, tmp_path):
    image, side = _image(rng, 33, 47), rng.bytes(500)
    (tmp_path / "a").write_bytes(_CODEC.encode(image, 0.02, side=side).data)
    script = (
        "import sys; from pathlib import Path; from rdbound.coding import Codec\n"
        "from tests.toy import Toy; file = Path(sys.argv[1])\n"
        "image, side = Codec(Toy('codec')).decode(file.read_bytes())\n"
        "file.with_name('image').write_bytes(image.tobytes())\n"
        "file.with_name('side').write_bytes(side)\n"
    )
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a"],
        check=True,
        env=os.environ | {"XLA_FLAGS": flags},
    )
    assert (tmp_path / "side").read_bytes() == side
    expected = _CODEC.decode((tmp_path / "a").read_bytes()).datum
    assert (tmp_path / "image").read_bytes() == expected.tobytes()


def test_every_corruption_and_truncation_is_an_error(rng):
    data = _CODEC.encode(_image(rng, 5, 9), 0.01, side=b"abc").data
    assert_refused(_CODEC.decode, data)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("crc", None),
        ("side", 2),
        ("filled", 0),
        ("filled", -1),
        ("filled", 2**32 - 1),
        ("steps", "many"),
        ("steps", 1001),
        ("steps", None),
        ("payload", b"\xff\xff"),
        ("payload", b""),
    ],
)
def test_a_whole_container_of_other_content_is_an_error(part, value, rng):
    """Checksums that fit: a stranger's, or another machine's arithmetic."""
    data = _CODEC.encode(_image(rng, 5, 9), 0.01, side=b"abc").data
    header, payload = read_container(data, _CODEC.fingerprint)
    parameters, crc = dict(header.parameters), header.index_crc
    if part == "crc":
        crc ^= 1
    elif part == "payload":
        payload = value
    else:
        parameters[part] = value
    changed = Header(header.fingerprint, crc, header.lmbda, 5, 9, header.coder, parameters)
    with pytest.raises(BitstreamError):
        _CODEC.decode(write_container(changed, payload))


def test_a_codec_reads_what_every_coder_wrote(rng):
    codec, image = Codec(Toy("codec")), _image(rng, 9, 9)
    assert codec.fingerprint == _CODEC.fingerprint
    data = codec.encode(image).data
    np.testing.assert_array_equal(_CODEC.decode(data).datum, codec.decode(data).datum)
    assert side_bytes(data) is None
    own = _CODEC.encode(image, side=b"12345").data
    found = codec.decode(own)
    np.testing.assert_array_equal(found.datum, _CODEC.decode(own).datum)
    assert found.side == b"12345"
    code, parameters = named_coder(own)
    assert (code, parameters["side"], parameters["steps"]) == (4, 5, STEPS)
    assert named_coder(b"RDB") is None


def test_by_default_the_rate_holds_no_initial_bits(rng):
    image = _image(rng, 40, 56)
    encoded = _CODEC.encode(image, 0.02)
    assert encoded.filled_bits == 0
    assert side_bytes(encoded.data) == encoded.side_bytes == len(_CODEC.decode(encoded.data).side)
    with_side = _CODEC.encode(image, 0.02, side=rng.bytes(2000))
    net = len(encoded.data) - encoded.side_bytes
    assert abs(net - (len(with_side.data) - 2000)) < 0.1 * net
    assert len(_CODEC.encode(image, 0.02, side=b"").data) < len(encoded.data)


def test_other_coders_take_no_side_information(rng):
    with pytest.raises(ValueError, match="only the coder 'bits-back' takes side information"):
        Codec(Toy("codec")).encode(_image(rng, 8, 8), side=b"abc")


@pytest.mark.parametrize("form", ["bound"])
def test_a_model_that_it_does_not_serve_names_the_alternative(form):
    with pytest.raises(ValueError, match=r"'bits-back' serves codecs .*'rounding' serves any"):
        Codec(Toy(form), coder="bits-back")


def test_a_codec_keeps_the_weights_that_it_was_made_of(rng):
    model, image = Toy("codec"), _image(rng, 24, 24)
    codec = Codec(model, coder="bits-back", steps=3)
    model.predict.bias[...] = model.predict.bias[...] + 1.0
    data = codec.encode(image).data
    assert Codec(Toy("codec")).decode(data).datum.shape == image.shape


@pytest.mark.parametrize("options", [{"steps": "many"}, {"steps": 1001}, {"stride": 8}])
def test_options_that_are_none_are_refused(options):
    with pytest.raises(ValueError, match="coder 'bits-back'"):
        Codec(Toy("codec"), coder="bits-back", **options)


def test_what_is_no_image_is_refused(rng):
    with pytest.raises(ValueError, match="expected a uint8 image"):
        _CODEC.encode(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="outside the model's range"):
        _CODEC.encode(_image(rng, 4, 4), 7.0)
