import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from rdbound import checkpoint
from rdbound.coding import Codec
from rdbound.distortion import MSSSIM, SquaredError
from rdbound.fingerprint import flat_weights
from rdbound.images.sets import open_images
from rdbound.models import make_model
from tests.toy import SPEC, Toy

RANGE = [0.0009, 0.0966]
GOLDEN = Path(__file__).parent / "coding" / "golden"


def _spec(form, name="res-hyper-1"):
    return {"name": name, "form": form, "lmbda": RANGE}


def test_a_codec_comes_back_with_its_tables_and_fingerprint(tmp_path):
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), SPEC)
    one, two = checkpoint.load(path), checkpoint.load(path)
    assert one.name == "toy"
    assert set(one.tables) == {"gaussian", "factorized"}
    assert Codec(one.model, one.tables).fingerprint == Codec(two.model, two.tables).fingerprint


def test_float16_weights_give_the_tables_that_are_stored(tmp_path):
    """Tables are made from the rounded weights, so that they belong to them."""
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), SPEC, "float16")
    loaded = checkpoint.load(path)
    stored = Codec(loaded.model, loaded.tables)
    made = Codec(loaded.model)
    assert stored.fingerprint == made.fingerprint


def test_a_codec_starts_from_a_bound(tmp_path):
    bound = make_model(**_spec("bound"))
    path = checkpoint.save_checkpoint(tmp_path / "bound.safetensors", bound, _spec("bound"))
    codec = checkpoint.start_from(make_model(**_spec("codec"), seed=5), path)
    own = flat_weights(codec)
    for name, value in flat_weights(bound).items():
        np.testing.assert_array_equal(own[name], value)
    assert {n for n in own if n not in flat_weights(bound)} == {
        "top.weight",
        "top.offset",
        "top.spread",
    }


def test_mistakes_are_named(tmp_path):
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), SPEC)
    with pytest.raises(ValueError, match="has no place in this model"):
        checkpoint.start_from(make_model(**_spec("bound")), path)
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.load(tmp_path / "junk.safetensors")
    with pytest.raises(ValueError, match=r"neither a file nor one of .*res-hyper-4-codec"):
        checkpoint.load("res-hyper-5-codec")


@pytest.mark.parametrize("name", checkpoint.zoo())
def test_shipped_checkpoints_are_small_carded_and_fresh(name):
    file = checkpoint.zoo()[name]
    assert file.stat().st_size <= 22_000_000
    card = file.with_suffix(".md").read_text()
    for word in ("## Config", "## Data", "## Training", "## Kodak", "steps"):
        assert word in card
    model = checkpoint.load(name).model
    assert jax.tree.all(jax.tree.map(lambda x: bool(np.isfinite(x).all()), nnx.split(model)[1]))


def test_the_shipped_codec_codes_an_odd_photograph():
    import skimage.data

    image = skimage.data.chelsea()[:61, :83]
    loaded = checkpoint.load("res-hyper-4-codec")
    codec = Codec(loaded.model, loaded.tables)
    sizes = []
    for lmbda in (0.0018, 0.0483):
        data = codec.compress(image, lmbda)
        sizes.append(len(data))
        decoded = codec.decompress(data)
        assert decoded.shape == image.shape
    assert np.mean((decoded.astype(float) - image) ** 2) < 60
    assert sizes[0] < sizes[1] < image.size / 4


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea"])
def test_golden_streams_of_the_shipped_codec(name):
    """Bytes are a promise: streams of version 1 are read, and are what is still written."""
    expected = json.loads((GOLDEN / "expected.json").read_text())[name]
    images = open_images("bundled-crops")
    image = images[images.names.index(name)]
    loaded = checkpoint.load("res-hyper-4-codec")
    codec = Codec(loaded.model, loaded.tables)
    data = (GOLDEN / f"{name}.rdb").read_bytes()
    decoded = codec.decompress(data).astype(float)
    assert np.mean((decoded - image) ** 2) == pytest.approx(expected["mse"], rel=1e-3)
    # Another machine's encoder may round a latent in ten thousand the other way.
    again = codec.compress(image, expected["lmbda"])
    assert abs(len(again) - expected["bytes"]) <= 4
    assert again[3] == data[3] == 1
    assert again[8:16] == data[8:16], "the fingerprint of weights and tables"


def test_another_distortion_belongs_to_the_checkpoint(tmp_path):
    spec = SPEC | {"distortion": {"name": "ms-ssim", "options": {}}}
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), spec)
    assert checkpoint.load(path).distortion == MSSSIM()
    path = checkpoint.save_checkpoint(tmp_path / "plain.safetensors", Toy(), SPEC)
    assert checkpoint.load(path).distortion == SquaredError()
