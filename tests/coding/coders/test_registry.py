"""What holds for every coder: the rate of its channel, in bytes that any process reads."""

import hashlib
import json
import os
import subprocess
import sys
from functools import cache

import jax
import numpy as np
import pytest

from rdbound.channels import make_channel
from rdbound.checkpoints.file_format import Contents, write_contents
from rdbound.coding import CODERS, Codec
from rdbound.coding.coders.registry import coders_of, make_coder
from rdbound.coding.coders.vbq.coder import vbq_channel
from rdbound.objective.datum import image_datum
from rdbound.objective.objective import objective
from tests.coding.codecs.damage import assert_refused
from tests.toy import SPEC, Toy, code_points

OVERHEAD = {"rec": 0.15}
"""Of the channel's bits, beside 60 bytes of header: where not here, 1 %, for scales of a ladder
and cells of dithers. Relative entropy coding names 10 bits where 6.6 nats are told."""

SIZES = [(1, 1), (65, 129), (160, 120)]


def _channel(name):
    return vbq_channel(code_points()) if name == "vbq" else make_channel(CODERS[name].channel)


@cache
def _codec(name):
    form = CODERS[name].form
    return Codec(Toy(form), code_points() if name == "vbq" else None, coder=name)


def _image(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(params=list(CODERS))
def name(request):
    return request.param


# Bits-back infers a better posterior than the channel's: see bits_back/test_hyperprior.py.
@pytest.mark.parametrize("name", [n for n in CODERS if n != "bits-back"])
@pytest.mark.parametrize("lmbda", [pytest.param(0.001, marks=pytest.mark.slow), 0.01, 0.1])
def test_the_bytes_are_the_bits_of_the_channel(name, lmbda, rng):
    image = _image(rng, 160, 120)
    codec, channel = _codec(name), _channel(name)
    datum = image_datum(image, 8)

    @jax.jit
    def bits(key):
        return sum(objective(Toy(CODERS[name].form), channel, datum, key, lmbda).bits)

    ideal = np.array([bits(jax.random.key(k)) for k in range(16 if channel.random else 1)])
    spread = 4 * ideal.std(ddof=1) * (1 + 1 / len(ideal)) ** 0.5 if channel.random else 0.0
    excess = 8 * len(codec.encode(image, lmbda).data) - ideal.mean()
    assert -spread < excess < OVERHEAD.get(name, 0.01) * ideal.mean() + 8 * 60 + spread


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n == "rounding" else [pytest.mark.slow]) for n in CODERS],
)
def test_a_fresh_process_decodes_the_same_pixels_with_one_thread_and_with_several(
    name, rng, tmp_path
):
    codec, digests = _codec(name), []
    for place, size in enumerate(SIZES):
        data = codec.encode(_image(rng, *size)).data
        decoded = codec.decode(data).datum
        assert decoded.shape == (*size, 3)
        (tmp_path / str(place)).write_bytes(data)
        digests.append(hashlib.sha256(decoded.tobytes()).hexdigest())
    write_contents(tmp_path / "tables", Contents(SPEC, {}, codec.tables))
    script = (
        "import hashlib, json, sys; from pathlib import Path\n"
        "from rdbound.checkpoints.file_format import read_contents\n"
        "from rdbound.coding import Codec; from tests.toy import Toy\n"
        "tables = read_contents(Path(sys.argv[1], 'tables')).tables\n"
        f"codec = Codec(Toy({CODERS[name].form!r}), tables)\n"
        f"files = [Path(sys.argv[1], str(k)) for k in range({len(SIZES)})]\n"
        "found = [codec.decode(file.read_bytes()).datum for file in files]\n"
        "print(json.dumps([hashlib.sha256(x.tobytes()).hexdigest() for x in found]))\n"
    )
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    for environment in ({}, {"XLA_FLAGS": flags}):
        done = subprocess.run(
            [sys.executable, "-c", script, tmp_path],
            check=True,
            text=True,
            capture_output=True,
            env=os.environ | environment,
        )
        assert json.loads(done.stdout) == digests


def test_every_corruption_and_truncation_is_an_error(name, rng):
    codec = _codec(name)
    data = codec.encode(_image(rng, 5, 9)).data
    assert_refused(codec.decode, data)


@pytest.mark.parametrize("seed", [1, 2**63 - 1])
@pytest.mark.parametrize("coder", [n for n in CODERS if n not in ("rounding", "vbq", "bits-back")])
def test_a_seed_travels_with_the_stream(coder, seed, rng):
    image = _image(rng, 24, 40)
    codec = Codec(Toy(CODERS[coder].form), coder=coder, seed=seed)
    data = codec.encode(image).data
    assert data != _codec(coder).encode(image).data
    np.testing.assert_array_equal(_codec(coder).decode(data).datum, codec.decode(data).datum)


def test_codes_differ():
    assert len({coder.code for coder in CODERS.values()}) == len(CODERS)


def test_each_form_has_its_coders_and_the_first_is_the_default():
    assert coders_of("codec") == ["rounding", "dithered", "bits-back"]
    assert coders_of("bound") == ["layered", "rec", "vbq"]
    assert Codec(Toy("codec")).coder.name == "rounding"
    assert Codec(Toy("bound")).coder.name == "layered"


@pytest.mark.parametrize(
    ("coder", "form", "message"),
    [
        ("rounding", "bound", "form 'codec', or the coder 'layered' or 'rec' or 'vbq'"),
        ("layered", "codec", "form 'bound', or the coder 'rounding' or 'dithered'"),
    ],
)
def test_a_coder_of_another_form_names_what_would_serve(coder, form, message):
    with pytest.raises(ValueError, match=f"the coder '{coder}' serves no .*'{form}': .*{message}"):
        make_coder(coder, form, {})
