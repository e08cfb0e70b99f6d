import hashlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from rdbound.checkpoints import checkpoint, file_format
from rdbound.coding import Codec
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.images.sets import open_images
from rdbound.models import make_model
from rdbound.objective.distortion import MSSSIM, SquaredError
from tests.objective.test_distortion import absolute
from tests.toy import OUTSIDE, SPEC, Toy

RANGE = [0.0009, 0.0966]
GOLDEN = Path(__file__).parents[1] / "coding" / "codecs" / "golden"


def _spec(form, name="res-hyper-1"):
    return {"name": name, "form": form, "lmbda": RANGE}


def test_a_codec_comes_back_with_its_tables_and_fingerprint(tmp_path):
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), SPEC)
    one, two = checkpoint.load(path, OUTSIDE), checkpoint.load(path, OUTSIDE)
    assert one.name == "toy"
    assert set(one.tables) == {"gaussian", "factorized"}
    assert Codec(one.model, one.tables).fingerprint == Codec(two.model, two.tables).fingerprint


def test_float16_weights_give_the_tables_that_are_stored(tmp_path):
    """Tables are made from the rounded weights, so that they belong to them."""
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), SPEC, "float16")
    loaded = checkpoint.load(path, OUTSIDE)
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
        data = codec.encode(image, lmbda).data
        sizes.append(len(data))
        decoded = codec.decode(data).datum
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
    decoded = codec.decode(data).datum.astype(float)
    assert np.mean((decoded - image) ** 2) == pytest.approx(expected["mse"], rel=1e-3)
    # Another machine's encoder may round a latent in ten thousand the other way.
    again = codec.encode(image, expected["lmbda"]).data
    assert abs(len(again) - expected["bytes"]) <= 4
    assert again[3] == data[3] == 1
    assert again[8:16] == data[8:16], "the fingerprint of weights and tables"


def test_another_distortion_belongs_to_the_checkpoint(tmp_path):
    spec = SPEC | {"distortion": {"name": "ms-ssim", "options": {}}}
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), spec)
    assert checkpoint.load(path, OUTSIDE).distortion == MSSSIM()
    path = checkpoint.save_checkpoint(tmp_path / "plain.safetensors", Toy(), SPEC)
    assert checkpoint.load(path, OUTSIDE).distortion == SquaredError()


def _saved(tmp_path, dtype="float32"):
    return checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(seed=4), SPEC, dtype)


def _rewritten(path, change):
    """The file with its tensors changed and its header kept."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata=metadata)
    return path


def test_weights_come_back_as_they_were(tmp_path):
    found = flat_weights(checkpoint.load(_saved(tmp_path), OUTSIDE).model)
    expected = flat_weights(Toy(seed=4))
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    other = flat_weights(Toy(seed=0))
    assert any((found[name] != other[name]).any() for name in found)


def test_float16_weights_are_those_rounded_to_eleven_bits(tmp_path):
    path = _saved(tmp_path, "float16")
    assert load_file(path)["encode.kernel"].dtype == np.float16
    found = flat_weights(checkpoint.load(path, OUTSIDE).model)
    for name, value in flat_weights(Toy(seed=4)).items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], value.astype(np.float16).astype(np.float32))
    exact = flat_weights(Toy(seed=4))["encode.kernel"]
    error = np.abs(found["encode.kernel"] - exact)
    # Half a unit in the last place of 11 bits; subnormals in steps of 2^-24.
    assert (error <= np.maximum(np.abs(exact) * 2.0**-11, 2.0**-25)).all()
    assert error.max() > 0


def test_a_weight_of_another_shape_is_named(tmp_path):
    def change(tensors):
        tensors["summarize.kernel"] = np.ascontiguousarray(tensors["summarize.kernel"].T)

    with pytest.raises(
        ValueError,
        match=r"weight summarize\.kernel has the shape \(4, 16\) in the "
        r"checkpoint and \(16, 4\) in the model",
    ):
        checkpoint.load(_rewritten(_saved(tmp_path), change), OUTSIDE)


def test_a_weight_that_is_missing_is_named(tmp_path):
    path = _rewritten(_saved(tmp_path), lambda tensors: tensors.pop("predict.bias"))
    with pytest.raises(ValueError, match=r"lacks the weight predict\.bias"):
        checkpoint.load(path, OUTSIDE)


def test_a_safetensors_file_of_another_program_is_refused(tmp_path):
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "other.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"other\.safetensors: .*not written by rdbound"):
        checkpoint.load(tmp_path / "other.safetensors")


def test_the_digest_is_sha256_of_the_file(tmp_path):
    path = _saved(tmp_path)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.digest(path) == checkpoint.load(path, OUTSIDE).digest == expected

    def change(tensors):
        tensors["predict.bias"][3] += 1e-3

    _rewritten(path, change)
    assert checkpoint.digest(path) == hashlib.sha256(path.read_bytes()).hexdigest() != expected


def test_a_runs_checkpoint_is_found_and_called_by_its_folder(tmp_path, monkeypatch):
    folder = tmp_path / "night-7"
    path = checkpoint.save_checkpoint(folder / "model.safetensors", Toy(), SPEC)
    assert checkpoint.resolve(folder) == checkpoint.resolve(str(path)) == path
    assert checkpoint.load(folder, OUTSIDE).name == checkpoint.load(path, OUTSIDE).name == "night-7"
    monkeypatch.chdir(folder)
    assert checkpoint.load("model.safetensors", OUTSIDE).name == "night-7"
    assert checkpoint.load(path.rename(folder / "best.safetensors"), OUTSIDE).name == "best"
    with pytest.raises(ValueError, match="no checkpoint"):
        checkpoint.resolve(folder)


def _respelled(path, change):
    """The file with its metadata changed, a mapping or the text itself, and its tensors kept."""
    with safe_open(path, framework="numpy") as file:
        spec = change(json.loads(file.metadata()["rdbound"]))
    text = spec if isinstance(spec, str) else json.dumps(spec)
    save_file(load_file(path), path, metadata={"rdbound": text})
    return path


def test_a_file_does_not_choose_what_is_imported(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    path = _respelled(_saved(tmp_path), lambda spec: spec | {"name": "theirs:Model"})
    for outside in ((), OUTSIDE, ("theirs:Other",)):
        with pytest.raises(
            ValueError,
            match=r"toy\.safetensors: its model is 'theirs:Model', from "
            r"outside .*--model theirs:Model",
        ):
            checkpoint.load(path, outside)
    with pytest.raises(SystemExit, match="imported"):
        checkpoint.load(path, ["theirs:Model"])


def test_a_distortion_from_outside_is_imported_where_it_is_named(tmp_path):
    name = "tests.objective.test_distortion:absolute"
    path = checkpoint.save_checkpoint(
        tmp_path / "toy.safetensors", Toy(), SPEC | {"distortion": {"name": name}}
    )
    with pytest.raises(ValueError, match=f"toy: its distortion is '{name}', from outside"):
        _ = checkpoint.load(path, OUTSIDE).distortion
    assert checkpoint.load(path, (*OUTSIDE, name)).distortion is absolute


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: [1, 2], "its metadata are a list, not the keywords"),
        (lambda spec: "{name: toy}", "its metadata are not JSON"),
        (lambda spec: "[" * 16_000, "its metadata are not JSON"),
        (lambda spec: spec | {"seed": [0] * 10**4}, "its metadata have 300.. characters"),
        (lambda spec: {}, "its metadata name no model: name = None"),
        (lambda spec: spec | {"name": 3}, "its metadata name no model: name = 3"),
        (lambda spec: spec | {"lmbda": None}, "λ = None: expected one positive number"),
        (lambda spec: spec | {"lmbda": [0.1, 0.001]}, r"λ = \[0.1, 0.001\]: expected"),
        (lambda spec: spec | {"lmbda": 0}, "λ = 0: expected one positive number"),
        (lambda spec: spec | {"lmbda": float("inf")}, "λ = inf: expected"),
        (lambda spec: spec | {"form": "both"}, "unknown form 'both'"),
        (lambda spec: spec | {"lmbda_range": [1, 2]}, "given as lmbda, not as lmbda_range"),
        (lambda spec: spec | {"depth": 3}, "unexpected keyword argument 'depth'"),
        (lambda spec: spec | {"distortion": "mse"}, "its distortion is 'mse'"),
        (lambda spec: spec | {"name": "mlp", "dimension": 10**9}, "weight decode.bias, which the"),
    ],
)
def test_metadata_that_are_not_those_of_a_model_are_told_in_one_line(tmp_path, change, message):
    path = _respelled(_saved(tmp_path), change)
    with pytest.raises(ValueError, match=rf"toy\.safetensors: .*{message}") as error:
        checkpoint.load(path, OUTSIDE)
    assert "\n" not in str(error.value)


class Raising(Toy):
    """Whose constructor fails with what the file asks for."""

    def __init__(self, failure, **options):
        deeper = lambda: deeper()  # noqa: E731
        _ = {"division": lambda: 1 / 0, "type": lambda: len(3), "recursion": deeper}[failure]()
        super().__init__(**options)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("key", "KeyError: 'key'"),
        ("type", r"TypeError: object of type 'int' has no len\(\)"),
        ("division", "ZeroDivisionError: division by zero"),
        ("recursion", "RecursionError: maximum recursion depth"),
    ],
)
def test_whatever_a_constructor_makes_of_a_file_is_told_in_one_line(tmp_path, failure, message):
    name = "tests.checkpoints.test_checkpoint:Raising"
    path = _respelled(_saved(tmp_path), lambda spec: spec | {"name": name, "failure": failure})
    with pytest.raises(ValueError, match=rf"toy\.safetensors: model '{name}': {message}"):
        checkpoint.load(path, [name])


def test_an_absurd_size_is_refused_by_the_shapes_of_the_weights(tmp_path):
    """Nothing of 10⁹ × 3 numbers is allocated: the model is abstract when it is compared."""
    spec = {"name": "mlp", "form": "bound", "lmbda": 1.0, "dimension": 3}
    path = checkpoint.save_checkpoint(tmp_path / "m.safetensors", make_model(**spec), spec)
    _respelled(path, lambda spec: spec | {"dimension": 10**9})
    with pytest.raises(ValueError, match=r"\(3, 64\) in the checkpoint and \(1000000000, 64\)"):
        checkpoint.load(path)


def _set(name, place, value):
    def change(tensors):
        tensors[name][place] = value

    return change


def _cast(name, dtype):
    def change(tensors):
        tensors[name] = tensors[name].astype(dtype)

    return change


def _without(*names):
    return lambda tensors: [tensors.pop(name) for name in names]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("decode.kernel", (0, 0), np.nan), r"weight decode\.kernel is not finite"),
        (_set("decode.kernel", (0, 0), np.inf), r"weight decode\.kernel is not finite"),
        (_cast("decode.kernel", np.int32), r"weight decode\.kernel is int32"),
        (_cast("decode.kernel", np.float64), r"weight decode\.kernel is float64"),
        (
            lambda tensors: tensors.update(more=np.zeros(2, np.float32)),
            "has the weight more, which",
        ),
        (
            _without("tables.factorized", "tables.factorized.lengths"),
            "level 0 needs 4 tables 'factorized'; there are 0",
        ),
        (
            _without("tables.gaussian", "tables.gaussian.lengths"),
            "level 1 needs 64 tables 'gaussian'; there are 0",
        ),
        (_without("tables.gaussian.lengths"), r"tables\.gaussian has no lengths"),
        (_set("tables.gaussian", 2, 70_000), "not positive with the sum 1048576"),
        (_set("tables.gaussian", 0, 0), "not positive with the sum 1048576"),
        (_set("tables.gaussian.lengths", 0, 2**31 - 2), "do not add up"),
        (_set("tables.gaussian.lengths", slice(0, 2), (-2, 2)), "do not add up"),
        (_cast("tables.gaussian", np.float32), "not of integers"),
    ],
)
def test_tensors_that_are_not_those_of_the_model_are_told(tmp_path, change, message):
    with pytest.raises(ValueError, match=rf"toy\.safetensors: .*{message}"):
        checkpoint.load(_rewritten(_saved(tmp_path), change), OUTSIDE)


def test_shapes_are_looked_at_before_anything_is_decoded(tmp_path, monkeypatch):
    def bomb(tensors):  # a few bytes that tell of a gigabyte of zeros
        tensors.update(
            {
                "more": np.zeros(8, np.uint8),
                "more.scale": np.ones(64, np.float32),
                "more.shape": np.array([2**22, 64]),
            }
        )

    path = _rewritten(_saved(tmp_path), bomb)
    monkeypatch.setattr(checkpoint, "decoded_weights", lambda tensors: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="has the weight more, which the model lacks"):
        checkpoint.load(path, OUTSIDE)


@pytest.mark.parametrize(("value", "dtype"), [(np.nan, "float32"), (1e6, "float16")])
def test_a_weight_that_is_not_finite_is_not_saved(tmp_path, value, dtype):
    model = Toy()
    model.decode.kernel[...] = model.decode.kernel[...].at[0, 0].set(value)
    with pytest.raises(ValueError, match=rf"weight decode\.kernel is not finite .*{dtype}"):
        checkpoint.save_checkpoint(tmp_path / "toy.safetensors", model, SPEC, dtype)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    path = checkpoint.save_checkpoint(tmp_path / "toy.safetensors", Toy(), SPEC)
    before = path.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(file_format, "save_file", full)
    with pytest.raises(OSError, match="no space"):
        checkpoint.save_checkpoint(path, Toy(), SPEC)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


class Scaled(Toy):
    """With an option that no weight tells."""

    def __init__(self, gain=1.0, **options):
        super().__init__(**options)
        self.gain = gain


def test_an_option_that_no_weight_tells_is_in_the_fingerprint():
    plain, same, other = (Codec(Scaled(gain)).fingerprint for gain in (1.0, 1.0, 2.0))
    assert plain == same != other


def test_what_is_no_weight_is_named(tmp_path):
    model = Toy()
    model.noise, model.norm = nnx.Rngs(0), nnx.BatchNorm(16, rngs=nnx.Rngs(0))
    with pytest.raises(
        ValueError,
        match=r"holds noise\.default\.count, noise\.default\.key, "
        r"norm\.mean, norm\.var beside nnx\.Param",
    ):
        checkpoint.save_checkpoint(tmp_path / "toy.safetensors", model, SPEC)


def test_a_bound_has_no_tables(tmp_path):
    spec = SPEC | {"form": "bound"}
    path = checkpoint.save_checkpoint(tmp_path / "b.safetensors", Toy(form="bound"), spec)
    loaded = checkpoint.load(path, OUTSIDE)
    assert loaded.tables is None
    assert (loaded.spec, loaded.model.form) == (spec, "bound")
    assert not any(name.startswith("tables") for name in load_file(path))


def test_stored_tables_go_before_those_that_could_be_made(tmp_path):
    """Read from the file even where they are not the model's own."""

    def change(tensors):
        first = tensors["tables.factorized"][: tensors["tables.factorized.lengths"][0]]
        first[np.argmax(first)] -= 9 - first[0]
        first[0] = 9

    path = _saved(tmp_path)
    before = checkpoint.load(path, OUTSIDE).tables["factorized"]
    after = checkpoint.load(_rewritten(path, change), OUTSIDE).tables["factorized"]
    assert after[0].frequencies[0] == 9 != before[0].frequencies[0]
    np.testing.assert_array_equal(after[1].frequencies, before[1].frequencies)
    assert len(after) == 4
