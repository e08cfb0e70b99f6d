"""Lossless coding: images return bit for bit, and what they cost is the evidence lower bound."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.channels import make_channel
from rdbound.coding import BitstreamError, LosslessBitsBack, LosslessCodec
from rdbound.coding.codecs.bits_back.hyperprior import CarryingCodec
from rdbound.coding.codecs.bits_back.side_information import side_bytes
from rdbound.coding.codecs.container import Header, read_container, write_container
from rdbound.coding.codecs.factory import bits_back_codec, image_codec
from rdbound.objective.datum import image_datum
from rdbound.objective.distortion import make_distortion
from rdbound.objective.objective import objective
from tests.coding.codecs.damage import assert_refused
from tests.toy import LosslessToy, Toy

_CODEC = LosslessBitsBack(LosslessToy())
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
    told = _CODEC.compress(image, side=side)
    decoded, back = _CODEC.decompress(told.data)
    np.testing.assert_array_equal(decoded, image)
    assert back == side
    assert side_bytes(told.data) == length


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
    codec = image_codec(LosslessToy(), {}, coder)
    np.testing.assert_array_equal(codec.decompress(codec.compress(image)), image)


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
    ideal, latents = _bounds(image, 200), _CODEC.takes(image.shape)
    sides = [rng.bytes(4000) for _ in range(24)]
    net = np.array([8 * (len(_CODEC.compress(image, side=s).data) - len(s)) for s in sides])
    # The analytic rate in ``ideal`` hides what a draw's own log-ratio varies by: √(1/2) nats.
    error = (ideal.var() / len(ideal) + net.var() / len(net)) ** 0.5
    cost = net.mean() - ideal.mean()
    grids = 0.05 * latents + 0.02 * image.size
    assert -4 * error < cost < 4 * error + grids + 8 * _RARE + 64
    assert grids + 8 * _RARE < 0.03 * ideal.mean()


def test_what_is_drawn_is_the_entropy_of_the_posteriors(rng):
    image = _image(rng, 64, 80)
    latents = _CODEC.takes(image.shape)
    assert latents == 8 * 10 * 20
    # N(·, e^−3) over boxes of 1/32.
    entropy = latents * (0.5 * np.log2(2 * np.pi * np.e) - 1.5 / np.log(2) + 5)
    drawn = [_CODEC.compress(image, side=rng.bytes(4000)).drawn for _ in range(16)]
    error = (0.5 * latents) ** 0.5 / np.log(2) / 4
    assert abs(np.mean(drawn) - entropy) < 4 * error + 0.03 * latents


def test_a_chain_pays_for_initial_bits_once(rng):
    images = [_image(rng, 64, 80) for _ in range(4)]
    data = b""
    for image in images:
        data = _CODEC.compress(image, side=data).data
    alone = sum(len(_CODEC.compress(image).data) for image in images)
    free = sum(len(CarryingCodec(_CODEC).compress(image)) for image in images)
    free -= sum(side_bytes(CarryingCodec(_CODEC).compress(image)) for image in images)
    drawn = _CODEC.compress(images[0]).drawn / 8
    assert len(data) - free == pytest.approx(drawn, abs=100)
    assert alone - free == pytest.approx(4 * drawn, abs=300)
    for image in reversed(images):
        decoded, data = _CODEC.decompress(data)
        np.testing.assert_array_equal(decoded, image)
    assert data == b""


def test_relative_entropy_coding_pays_its_overhead_and_no_initial_bits(rng):
    image = _image(rng, 64, 80)
    codec = LosslessCodec(LosslessToy(), coder="rec")
    data = codec.compress(image)
    np.testing.assert_array_equal(codec.decompress(data), image)
    ideal = _bounds(image, 50).mean()
    assert 0 < 8 * len(data) - ideal < 0.2 * ideal


def _off(codec, noise):
    """The codec on a machine whose priors, pixels and posteriors differ by ``noise(shape)``."""
    for side in ("prior", "posterior", "synthesize"):
        exact = getattr(codec._of, side)

        def other(*arguments, exact=exact):
            found = exact(*arguments)
            moved = [np.asarray(x) + noise(x.shape).astype(np.float32) for x in found[:2]]
            return type(found)(*moved, *found[2:])

        setattr(codec._of, side, other)
    return codec


def test_a_decoder_off_by_less_than_the_bands_gets_the_identical_image(rng):
    image = _image(rng, 64, 80)
    data = _CODEC.compress(image, side=b"abc").data
    for _ in range(3):
        other = _off(LosslessBitsBack(LosslessToy()), lambda s: rng.uniform(-8e-6, 8e-6, s))
        decoded, side = other.decompress(data)
        np.testing.assert_array_equal(decoded, image)
        assert side == b"abc"


def test_a_decoder_off_by_more_gets_an_error_and_no_image(rng):
    data = _CODEC.compress(_image(rng, 64, 80), side=b"abc").data
    other = _off(LosslessBitsBack(LosslessToy()), lambda s: np.full(s, 0.03))
    with pytest.raises(BitstreamError, match="more than the guard band"):
        other.decompress(data)


def test_another_process_reads_it(rng, tmp_path):
    image, side = _image(rng, 33, 47), rng.bytes(500)
    (tmp_path / "a").write_bytes(_CODEC.compress(image, side=side).data)
    script = (
        "import sys; from pathlib import Path; from rdbound.coding import LosslessBitsBack\n"
        "from tests.toy import LosslessToy; file = Path(sys.argv[1])\n"
        "image, side = LosslessBitsBack(LosslessToy()).decompress(file.read_bytes())\n"
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
    codec = _CODEC if coder == "bits-back" else LosslessCodec(LosslessToy(), coder=coder)
    data = codec.compress(_image(rng, 3, 5))
    data = data.data if coder == "bits-back" else data
    assert_refused(codec.decompress, data)


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
    data = _CODEC.compress(_image(rng, 5, 9), side=b"abc").data
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
        _CODEC.decompress(write_container(changed, found["payload"]))


def test_latents_that_are_not_finite_are_refused(rng):
    codec = LosslessBitsBack(LosslessToy())
    codec._of.infer = lambda x, rate: jax.tree.map(
        lambda leaf: leaf * jnp.nan, LosslessToy().infer(jnp.asarray(x), rate)
    )
    with pytest.raises(ValueError, match="not finite"):
        codec.compress(_image(rng, 8, 8))


def test_what_it_does_not_serve_is_refused(rng):
    with pytest.raises(ValueError, match="a distribution of pixels"):
        LosslessBitsBack(Toy("bound"))
    with pytest.raises(ValueError, match="expected a uint8 image"):
        _CODEC.compress(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="outside the model's range"):
        _CODEC.compress(_image(rng, 4, 4), 7.0)
    with pytest.raises(ValueError, match="takes no refined variational parameters"):
        _CODEC.compress(_image(rng, 4, 4), variational=())
    with pytest.raises(ValueError, match="coder 'bits-back'"):
        bits_back_codec(LosslessToy(), steps=3)
    with pytest.raises(ValueError, match="pixels"):
        LosslessBitsBack(LosslessToy(), max_pixels=10).compress(_image(rng, 4, 4))


def test_by_default_a_lossless_model_is_coded_by_bits_back(rng):
    image = _image(rng, 16, 16)
    found = image_codec(LosslessToy()).compress(image)
    np.testing.assert_array_equal(_CODEC.decompress(found)[0], image)
