"""How weights are stored: what is kept of them, and what is refused."""

import numpy as np
import pytest

from rdbound.checkpoints.checkpoint import load, save_checkpoint
from rdbound.checkpoints.weight_storage import FINENESS, decoded_weights, encoded_weights
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.models import make_model


@pytest.fixture
def weights(rng):
    return {
        "blocks.0.kernel": rng.normal(size=(3, 3, 8, 5)).astype(np.float32),
        "to_x.dense.kernel": rng.normal(size=(40, 4)).astype(np.float32),
        "to_x.dense.bias": rng.normal(size=4).astype(np.float32),
        "few.kernel": rng.normal(size=(15, 4)).astype(np.float32),
    }


def test_a_scale_that_is_not_finite_is_refused(weights):
    tensors = encoded_weights(weights, "coded")
    tensors["blocks.0.kernel.scale"][2] = np.inf
    with pytest.raises(ValueError, match=r"weight blocks\.0\.kernel is not finite"):
        decoded_weights(tensors)


@pytest.mark.parametrize("dtype", ["float16", "coded"])
def test_a_weight_too_large_for_float16_is_named(weights, dtype):
    weights["to_x.dense.bias"][1] = 1e6
    with pytest.raises(ValueError, match=r"weight to_x\.dense\.bias is not finite .*float16"):
        encoded_weights(weights, dtype)


def test_coded_keeps_each_channel_to_half_a_step_of_its_own(weights):
    kernel = weights["blocks.0.kernel"] * np.float32([1e-6, 1e-3, 1.0, 1e3, 0.0])
    tensors = encoded_weights(weights | {"blocks.0.kernel": kernel}, "coded", ("to_x",))
    found = decoded_weights(tensors)
    assert set(found) == set(weights)
    for name, exact, fineness in (
        ("blocks.0.kernel", kernel, FINENESS["rest"]),
        ("to_x.dense.kernel", weights["to_x.dense.kernel"], FINENESS["precise"]),
    ):
        axes = tuple(range(exact.ndim - 1))
        steps = np.sqrt((exact**2).mean(axes)) / fineness
        assert tensors[name].dtype == np.uint8
        error = np.abs(found[name] - exact)
        assert (error <= 0.501 * steps).all()
        told = steps > 0
        expected = steps[told] / 12**0.5
        np.testing.assert_allclose(np.sqrt((error**2).mean(axes))[told], expected, rtol=0.35)
    for name in ("to_x.dense.bias", "few.kernel"):
        np.testing.assert_array_equal(found[name], weights[name].astype(np.float16))


def test_coded_takes_the_entropy_of_the_numbers(rng):
    """Of Gaussian weights log₂ of their fineness and the entropy of N(0, 1)."""
    kernel = {"a.kernel": rng.normal(size=(300, 200)).astype(np.float32)}
    bits = 8 * encoded_weights(kernel, "coded")["a.kernel"].size / kernel["a.kernel"].size
    expected = np.log2(FINENESS["rest"]) + 0.5 * np.log2(2 * np.pi * np.e)
    assert bits == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (".shape", None, "is coded and has no shape"),
        (".shape", np.array([360.0]), "is coded and has no shape"),
        (".shape", np.array([-1, 5], np.int64), "is coded and has no shape"),
        (".shape", np.array([2**20, 2**20, 5], np.int64), "is the limit"),
        (".scale", None, "has no scale for each channel"),
        (".scale", np.ones(4, np.float32), "has no scale for each channel"),
        (".scale", np.ones(5, np.float16), "has no scale for each channel"),
        (".scale", np.ones((1, 5), np.float32), "has no scale for each channel"),
        ("", np.full(40, 255, np.uint8), "hold no such numbers|is not finite"),
    ],
)
def test_coded_weights_of_strangers_are_refused(weights, part, value, message):
    tensors = encoded_weights(weights, "coded")
    del tensors[f"blocks.0.kernel{part}"]
    if value is not None:
        tensors[f"blocks.0.kernel{part}"] = value
    with pytest.raises(ValueError, match=message):
        decoded_weights(tensors)


def test_a_coded_model_is_saved_and_loaded(tmp_path):
    spec = {"name": "res-hyper-1", "form": "bound", "lmbda": [0.0018, 0.0932]}
    model = make_model(**spec)
    path = save_checkpoint(tmp_path / "model.safetensors", model, spec, "coded")
    exact, found = flat_weights(model), flat_weights(load(path).model)
    for name, value in exact.items():
        linear = {"resamplings", "to_x", "to_y"} & set(name.split("."))
        if linear and value.ndim > 1:  # the linear path is coded more finely
            steps = np.sqrt((value**2).mean(tuple(range(value.ndim - 1)))) / FINENESS["precise"]
            assert (np.abs(found[name] - value) <= 0.51 * steps).all()
    noise = sum(float(((found[n] - v) ** 2).sum()) for n, v in exact.items())
    power = sum(float((v**2).sum()) for v in exact.values())
    assert noise < power / FINENESS["rest"] ** 2 / 10
    assert path.stat().st_size < 0.9 * sum(value.size for value in exact.values())


def test_fineness_is_by_kernel(weights):
    tensors = encoded_weights(weights, "coded", ("to_x",), {"blocks.0.kernel": 4.0})
    spread = np.sqrt((weights["blocks.0.kernel"] ** 2).mean((0, 1, 2)))
    np.testing.assert_allclose(tensors["blocks.0.kernel.scale"], spread / 4.0, rtol=1e-6)
    other = np.sqrt((weights["to_x.dense.kernel"] ** 2).mean(0)) / FINENESS["precise"]
    np.testing.assert_allclose(tensors["to_x.dense.kernel.scale"], other, rtol=1e-6)
    with pytest.raises(ValueError, match=r"no weight is called blocks\.1\.kernel"):
        encoded_weights(weights, "coded", (), {"blocks.1.kernel": 4.0})
