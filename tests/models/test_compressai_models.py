"""The base models: trained weights of CompressAI compute what they compute there."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from rdbound.channels import make_channel
from rdbound.checkpoints.checkpoint import load
from rdbound.checkpoints.compressai import import_compressai, read_state, renamed
from rdbound.cli.main import main
from rdbound.coding import Codec
from rdbound.models import make_model
from rdbound.models.compressai_models import BALLE
from rdbound.objective.datum import image_datum
from rdbound.objective.objective import objective

FIXTURES = Path(__file__).parent / "compressai"
CASES = [(name, n, m) for name in BALLE for n, m in ((8, 12), (12, 8))]
LMBDA = 0.013
SAMPLED = [pytest.param(n, marks=[] if n == "mbt2018-mean" else [pytest.mark.slow]) for n in BALLE]
"""One of them, and with the slow tests all."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """``imported(name, n, m, form)``: a checkpoint of a fixture, and its arrays."""
    folder = tmp_path_factory.mktemp("imported")

    def read(name, n, m, form="codec"):
        source = FIXTURES / f"{name}-{n}-{m}.safetensors"
        target = folder / f"{name}-{n}-{m}-{form}.safetensors"
        if not target.exists():
            import_compressai(source, target, name, LMBDA, form)
        return load(target), np.load(source.with_suffix(".npz"))

    return read


@pytest.mark.parametrize(("name", "n", "m"), CASES)
def test_everything_is_as_in_compressai(imported, name, n, m):
    checkpoint, expected = imported(name, n, m)
    model, lmbda = checkpoint.model, jnp.float32(LMBDA)
    x = jnp.asarray(expected["image"] / 255, jnp.float32)

    @jax.jit
    def found(x):
        latents, bits = (), []
        for level, posterior in enumerate(model.infer(x, lmbda)):
            prior = model.prior(level, latents, lmbda)
            latent = jnp.round(posterior.mu - prior.centre) + prior.centre
            latents, bits = (*latents, latent), [*bits, prior.bin_bits(latent)]
        return latents, bits, model.synthesize(latents, lmbda)

    with jax.default_matmul_precision("highest"):
        latents, bits, x_hat = found(x)
    np.testing.assert_allclose(latents[-1], expected["y_hat"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(x_hat[:40, :24], expected["x_hat"], rtol=1e-4, atol=1e-4)
    for level, key in enumerate(("y",) if name.endswith("factorized") else ("z", "y")):
        np.testing.assert_allclose(np.exp2(-bits[level]), expected[key], rtol=1e-4, atol=1e-7)
    total = sum(float(b.sum()) for b in bits)
    assert total == pytest.approx(float(expected["bits"]), rel=1e-4)
    assert np.abs(expected["y_hat"]).max() > 3


@pytest.mark.parametrize("name", SAMPLED)
def test_real_bytes_come_back_and_are_as_many_as_the_likelihoods_say(imported, name):
    checkpoint, expected = imported(name, 8, 12)
    image = expected["image"][:63, :101]
    codec = Codec(checkpoint.model, checkpoint.tables)
    data = codec.encode(image, LMBDA).data
    back = codec.decode(data).datum
    assert back.shape == image.shape
    channel = make_channel("rounding")
    datum = image_datum(image, checkpoint.model.stride)
    with jax.default_matmul_precision("highest"):
        terms = objective(checkpoint.model, channel, datum, jax.random.key(0), LMBDA)
    ideal = float(terms.bpp) * 63 * 101
    assert ideal < 8 * len(data) < 1.01 * ideal + 8 * 60
    x_hat = np.rint(255 * np.clip(terms.x_hat, 0, 1))[:63, :101]
    assert np.abs(back - x_hat).mean() < 0.01


def test_the_bound_of_the_same_network_is_below_its_codec_with_uniform_noise(imported):
    """At the width of the unit box a Gaussian tells less than the box: the rate is lower."""
    checkpoint, expected = imported("mbt2018-mean", 8, 12, "bound")
    codec, _ = imported("mbt2018-mean", 8, 12)
    datum = image_datum(expected["image"], 64)
    keys = jax.random.split(jax.random.key(0), 32)

    def rate(model, channel):
        one = lambda key: objective(model, make_channel(channel), datum, key, LMBDA).bpp  # noqa: E731
        found = np.asarray(jax.jit(jax.vmap(one))(keys))
        return found.mean(), found.std() / len(keys) ** 0.5

    bound, error = rate(checkpoint.model, "sampled")
    uniform, other = rate(codec.model, "uniform")
    assert bound < uniform - 3 * np.hypot(error, other)
    assert bound > 0.5 * uniform


@pytest.mark.parametrize("name", SAMPLED)
def test_every_weight_has_a_gradient_under_training(name):
    model = make_model(name, "codec", LMBDA, width=6, latent=8)
    graphdef, state = nnx.split(model)
    stride = model.stride
    rng = np.random.default_rng(0)
    datum = image_datum(rng.integers(0, 256, (stride, stride, 3)).astype(np.uint8), stride)

    def J(state):
        of = nnx.merge(graphdef, state)
        return objective(of, make_channel("uniform"), datum, jax.random.key(1), LMBDA).J

    slopes = nnx.to_flat_state(jax.jit(jax.grad(J))(state))
    zero = {".".join(map(str, p)) for p, g in slopes if not np.any(np.asarray(g[...]))}
    assert zero <= {"top.centre"}


def test_a_range_of_lmbda_is_refused():
    with pytest.raises(ValueError, match="serves one λ"):
        make_model("mbt2018-mean", "codec", (0.001, 0.1))


def _changed(tmp_path, change):
    state = dict(load_file(FIXTURES / "mbt2018-mean-8-12.safetensors"))
    change(state)
    save_file(state, tmp_path / "changed.safetensors")
    return tmp_path / "changed.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("g_a.0.weight"), "it lacks analysis.0.kernel"),
        (lambda s: s.update({"g_a.7.weight": s["g_a.6.weight"]}), "it has analysis.7.kernel too"),
        (lambda s: s.update({"h_s.4.bias": s["h_s.4.bias"][:-1]}), "hyper_synthesis.2.bias is"),
        (lambda s: s.pop("g_a.6.weight"), "'analysis.6.kernel'"),
    ],
)
def test_other_weights_are_refused_by_name(tmp_path, capsys, change, message):
    file = _changed(tmp_path, change)
    code = main(
        [
            "import",
            "compressai",
            str(file),
            "--architecture",
            "mbt2018-mean",
            "--lmbda",
            "0.013",
            "-o",
            str(tmp_path / "out.safetensors"),
        ]
    )
    assert code == 2
    err = capsys.readouterr().err
    assert message in err
    assert "not the weights of mbt2018-mean" in err
    assert not (tmp_path / "out.safetensors").exists()


def test_names_of_both_versions_and_of_parallel_training_are_known():
    state = {
        "module.entropy_bottleneck._matrix1": np.zeros((2, 3, 3)),
        "entropy_bottleneck.matrices.2": np.ones((2, 3, 3)),
        "entropy_bottleneck._bias0": np.zeros((2, 3, 1)),
        "entropy_bottleneck.quantiles": np.arange(6.0).reshape(2, 1, 3),
        "entropy_bottleneck._offset": np.zeros(2),
        "gaussian_conditional.scale_table": np.zeros(64),
    }
    found = renamed(state)
    assert sorted(found) == ["top.biases.0", "top.centre", "top.matrices.1", "top.matrices.2"]
    assert found["top.biases.0"].shape == (2, 3)
    np.testing.assert_array_equal(found["top.centre"], [1.0, 4.0])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("no.safetensors", None, "no such file"),
        ("bad.safetensors", b"x" * 40, "not a safetensors file"),
    ],
)
def test_files_that_are_none(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(ValueError, match=message):
        read_state(tmp_path / name)
