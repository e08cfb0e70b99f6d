"""Lossless coding: images return bit for bit, and what they cost is the evidence lower bound."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.channels import make_channel
from rdbound.coding import BitstreamError, Codec
from rdbound.coding.codecs.container import Header, read_container, write_container
from rdbound.objective.datum import image_datum
from rdbound.objective.distortion import make_distortion
from rdbound.objective.objective import objective
from tests.coding.codecs.damage import assert_refused
from tests.toy import LosslessToy, Toy

_CODEC = Codec(LosslessToy())
_LATENTS_A_CELL = 4 + 16  # of 8 × 8 pixels
_RARE = 60  # bytes of a header


def _image(rng, height, width):
    """Smooth colours and some noise."""
    rows, columns = np.mgrid[:height, :width] / 8.0
    smooth = 120 + 60 * np.sin(rows + rng.uniform(0, 6)) * np.cos(columns)
    return np.clip(smooth[..., None] + rng.normal(0, 9, (height, width, 3)), 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize("size", [(1, 1), (65, 129), (40, 24)])
@pytest.mark.parametrize("length", [0, 3, 5000])
def test_image_and_side_information_return(size, length, rng):
    image, side = _image(rng, *size), rng.bytes(length)
    encoded = _CODEC.encode(image, side=side)
    decoded, back = _CODEC.decode(encoded.data)
    np.testing.assert_array_equal(decoded, image)
    assert back == side
    assert encoded.side_bytes == length


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((17, 9, 3), np.uint8),
        np.full((17, 9, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (17, 9, 3), dtype=np.uint8),
    ],
)
@pytest.mark.parametrize("coder", ["bits-back", "rec", "layered"])
def test_images_that_the_model_does_not_expect_return(image, coder):
    codec = Codec(LosslessToy(), {}, coder)
    np.testing.assert_array_equal(codec.decode(codec.encode(image).data).datum, image)


def _bounds(image, draws):
    """The negative ELBO in bits of an image, by draws of the latents."""
    datum, likelihood = image_datum(image, 8), make_distortion("negative-log-likelihood")

    @jax.jit
    def bits(key):
        terms = objective(
            LosslessToy(), make_channel("gaussian"), datum, key, 1.0, distortion=likelihood
        )
        return terms.J * datum.pixels

    return np.array([bits(key) for key in jax.random.split(jax.random.key(3), draws)])


def test_the_net_rate_is_the_evidence_lower_bound(rng):
    """Of 24 files with other side information: within four standard errors and the grids' cost."""
    image = _image(rng, 64, 80)
    ideal, latents = _bounds(image, 200), 8 * 10 * _LATENTS_A_CELL
    sides = [rng.bytes(4000) for _ in range(24)]
    net = np.array([8 * (len(_CODEC.encode(image, side=s).data) - len(s)) for s in sides])
    # The analytic rate in ``ideal`` hides what a draw's own log-ratio varies by: √(1/2) nats.
    error = (ideal.var() / len(ideal) + net.var() / len(net)) ** 0.5
    cost = net.mean() - ideal.mean()
    grids = 0.05 * latents + 0.02 * image.size
    assert -4 * error < cost < 4 * error + grids + 8 * _RARE + 64
    assert grids + 8 * _RARE < 0.03 * ideal.mean()


def test_what_is_drawn_is_the_entropy_of_the_posteriors(rng):
    image = _image(rng, 64, 80)
    latents = 8 * 10 * _LATENTS_A_CELL
    # N(·, e^−3) over boxes of 1/32.
    entropy = latents * (0.5 * np.log2(2 * np.pi * np.e) - 1.5 / np.log(2) + 5)
    drawn = [_CODEC.encode(image, side=rng.bytes(4000)).drawn_bits for _ in range(16)]
    error = (0.5 * latents) ** 0.5 / np.log(2) / 4
    assert abs(np.mean(drawn) - entropy) < 4 * error + 0.03 * latents


def test_a_chain_pays_for_initial_bits_once(rng):
    images = [_image(rng, 64, 80) for _ in range(4)]
    data = b""
    for image in images:
        data = _CODEC.encode(image, side=data).data
    alone = sum(len(_CODEC.encode(image, side=b"").data) for image in images)
    free = sum(len(e.data) - e.side_bytes for e in map(_CODEC.encode, images))
    drawn = _CODEC.encode(images[0], side=b"").drawn_bits / 8
    assert len(data) - free == pytest.approx(drawn, abs=100)
    assert alone - free == pytest.approx(4 * drawn, abs=300)
    for image in reversed(images):
        decoded, data = _CODEC.decode(data)
        np.testing.assert_array_equal(decoded, image)
    assert data == b""


def test_relative_entropy_coding_pays_its_overhead_and_no_initial_bits(rng):
    image = _image(rng, 64, 80)
    codec = Codec(LosslessToy(), coder="rec")
    data = codec.encode(image).data
    np.testing.assert_array_equal(codec.decode(data).datum, image)
    ideal = _bounds(image, 50).mean()
    assert 0 < 8 * len(data) - ideal < 0.2 * ideal


def _off(noise):
    """A codec on a machine whose priors, posteriors and pixels differ by ``noise(shape)``."""

    def moved(found):
        leaves = [x + noise(x.shape).astype(np.float32) for x in found[:2]]
        return type(found)(*leaves, *found[2:])

    class Moved(LosslessToy):
        def prior(self, level, latents, lmbda):
            return moved(super().prior(level, latents, lmbda))

        def posterior(self, level, latents, variational, lmbda):
            return moved(variational)

        def synthesize(self, latents, lmbda):
            return moved(super().synthesize(latents, lmbda))

    Moved.__name__ = "LosslessToy"  # which the fingerprint holds
    return Codec(Moved())


def test_a_decoder_off_by_less_than_the_bands_gets_the_identical_image(rng):
    image = _image(rng, 64, 80)
    data = _CODEC.encode(image, side=b"abc").data
    for _ in range(3):
        decoded, side = _off(lambda s: rng.uniform(-8e-6, 8e-6, s)).decode(data)
        np.testing.assert_array_equal(decoded, image)
        assert side == b"abc"


def test_a_decoder_off_by_more_gets_an_error_and_no_image(rng):
    data = _CODEC.encode(_image(rng, 64, 80), side=b"abc").data
    other = _off(lambda s: np.full(s, 0.03))
    with pytest.raises(BitstreamError, match="more than the guard band"):
        other.decode(data)


def test_another_process_reads_it(rng, tmp_path):
    image, side = _image(rng, 33, 47), rng.bytes(500)
    (tmp_path / "a").write_bytes(_CODEC.encode(image, side=side).data)
    script = (
        "import sys; from pathlib import Path; from rdbound.coding import Codec\n"
        "from tests.toy import LosslessToy; file = Path(sys.argv[1])\n"
        "image, side = Codec(LosslessToy()).decode(file.read_bytes())\n"
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
    assert (tmp_path / "image").read_bytes() == image.tobytes()


@pytest.mark.parametrize("coder", ["bits-back", "rec"])
def test_every_corruption_and_truncation_is_an_error(coder, rng):
    codec = Codec(LosslessToy(), coder=coder)
    assert_refused(codec.decode, codec.encode(_image(rng, 3, 5), side=b"").data)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("crc", None),
        ("side", 2),
        ("filled", 0),
        ("filled", -1),
        ("filled", 2**32 - 1),
        ("side", "many"),
        ("payload", b"\xff\xff"),
        ("payload", b""),
        ("lmbda", 0.5),
        ("coder", 2),
        ("size", (5, 10)),
        ("size", (2**20, 2**20)),
    ],
)
def test_a_whole_container_of_other_content_is_an_error(part, value, rng):
    """Checksums that fit: a stranger's, or another machine's arithmetic."""
    data = _CODEC.encode(_image(rng, 5, 9), side=b"abc").data
    header, payload = read_container(data, _CODEC.fingerprint)
    found = {
        "parameters": dict(header.parameters),
        "crc": header.index_crc,
        "size": (5, 9),
        "lmbda": 1.0,
        "coder": header.coder,
        "payload": payload,
    }
    if part == "crc":
        found["crc"] ^= 1
    elif part in found:
        found[part] = value
    else:
        found["parameters"][part] = value
    changed = Header(
        header.fingerprint,
        found["crc"],
        found["lmbda"],
        *found["size"],
        found["coder"],
        found["parameters"],
    )
    with pytest.raises(BitstreamError):
        _CODEC.decode(write_container(changed, found["payload"]))


def test_latents_that_are_not_finite_are_refused(rng):
    class Broken(LosslessToy):
        def infer(self, x, lmbda):
            return jax.tree.map(lambda leaf: leaf * jnp.nan, super().infer(x, lmbda))

    with pytest.raises(ValueError, match="not finite"):
        Codec(Broken()).encode(_image(rng, 8, 8))


def test_what_it_does_not_serve_is_refused(rng):
    with pytest.raises(ValueError, match="'bits-back' serves codecs"):
        Codec(Toy("bound"), coder="bits-back")
    with pytest.raises(ValueError, match="expected a uint8 image"):
        _CODEC.encode(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="outside the model's range"):
        _CODEC.encode(_image(rng, 4, 4), 7.0)
    with pytest.raises(ValueError, match="takes no refined variational parameters"):
        _CODEC.encode(_image(rng, 4, 4), variational=())
    with pytest.raises(ValueError, match="coder 'bits-back'"):
        Codec(LosslessToy(), steps=3)
    with pytest.raises(ValueError, match="pixels"):
        Codec(LosslessToy(), max_pixels=10).encode(_image(rng, 4, 4))


def test_by_default_a_lossless_model_is_coded_by_bits_back(rng):
    image = _image(rng, 16, 16)
    codec = Codec(LosslessToy())
    assert codec.coder.name == "bits-back"
    np.testing.assert_array_equal(_CODEC.decode(codec.encode(image).data).datum, image)
