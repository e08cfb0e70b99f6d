import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.channels import make_channel
from rdbound.models import make_model
from rdbound.objective.datum import Datum, image_datum, whole
from rdbound.objective.objective import clip, eight_bit, objective
from rdbound.sources.gaussian import GaussianSource
from tests.toy import Successive, Toy


def test_J_is_R_plus_lambda_D_by_hand(rng, key):
    """A linear model of a scalar, against the formulas on paper."""
    model = make_model("mlp", "bound", 2.0, dimension=1, hidden=())
    x = jnp.array([0.7])
    terms = objective(model, make_channel("gaussian"), Datum(x, jnp.ones(1)), key, 2.0)
    (q,) = model.infer(x, 2.0)
    p = model.prior(0, (), 2.0)
    noise = jax.random.normal(jax.random.split(key, 1)[0], (1,))
    x_hat = model.synthesize((q.mu + jnp.exp(q.log_sigma) * noise,), 2.0)
    s, s_hat = jnp.exp(q.log_sigma), jnp.exp(p.log_sigma)
    kl = jnp.log(s_hat / s) + (s**2 + (q.mu - p.mu) ** 2) / (2 * s_hat**2) - 0.5
    expected = kl / np.log(2) + 2.0 * (x - x_hat) ** 2
    assert float(terms.J) == pytest.approx(float(expected[0]), rel=1e-5)
    assert float(terms.J) == pytest.approx(float(terms.bpp + 2.0 * terms.distortion), rel=1e-6)


def test_padding_counts_in_the_rate_and_not_in_the_distortion(rng, key):
    model = Toy()
    image = rng.integers(0, 256, (13, 9, 3), dtype=np.uint8)
    datum = image_datum(image, model.stride)
    assert datum.x.shape == (16, 16, 3)
    terms = objective(model, make_channel("rounding"), datum, key, 0.01, decode=eight_bit)
    x_hat = np.rint(np.asarray(terms.x_hat[:13, :9]) * 255)
    assert float(terms.distortion) == pytest.approx(np.mean((x_hat - image) ** 2), rel=1e-5)
    assert float(terms.bpp) == pytest.approx(float(sum(terms.bits)) / (13 * 9), rel=1e-6)
    worse = datum._replace(x=datum.x.at[13:].add(5.0))
    variational = model.infer(datum.x, 0.01)
    again = objective(model, make_channel("rounding"), worse, key, 0.01, variational, eight_bit)
    assert float(again.distortion) == pytest.approx(float(terms.distortion), rel=1e-6)


def test_decoders():
    x = jnp.array([-0.2, 0.5011, 1.3])
    assert clip(x).tolist() == pytest.approx([0.0, 0.5011, 1.0])
    np.testing.assert_allclose(eight_bit(x) * 255, [0, 128, 255], atol=1e-4)


def test_successive_refinement_is_the_exact_rate_distortion_function(key):
    """Two levels, the second posterior given the sample of the first: J is least, exactly."""
    model, lmbda = Successive(variance=4.0, first=1.0, lmbda=2.0), 2.0
    exact = GaussianSource((4.0,)).exact(lmbda)
    xs = 2.0 * jax.random.normal(jax.random.key(1), (200_000, 1))
    keys = jax.random.split(key, len(xs))
    one = lambda x, k: objective(model, make_channel("gaussian"), whole(x), k, lmbda)  # noqa: E731
    terms = jax.vmap(lambda x, k: one(x, k)._replace(x_hat=()))(xs, keys)
    for value, truth in (
        (terms.bpp, exact.rate),
        (terms.distortion, exact.distortion),
        (terms.J, exact.J(lmbda)),
        (terms.bits[0], np.log2(2.0)),
    ):
        error = float(value.std()) / len(xs) ** 0.5
        assert abs(float(value.mean()) - truth) < 4 * error + 1e-5


def test_a_level_has_the_channel_of_its_own(rng, key):
    """Gaussian for z and rounding for y: the bits of each are those of that channel alone."""
    model = Toy(form="bound")
    datum = image_datum(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), 8)
    both = make_channel("per-level", levels=["gaussian", "rounding"])
    terms = objective(model, both, datum, key, 0.01)
    z, y = model.infer(datum.x, 0.01)
    keys = jax.random.split(key, 2)
    first = make_channel("gaussian")(z, model.prior(0, (), 0.01), keys[0])
    second = make_channel("rounding")(y, model.prior(1, (first.sample,), 0.01), keys[1])
    assert float(terms.bits[0]) == pytest.approx(float(first.bits.sum()), rel=1e-5)
    assert float(terms.bits[1]) == pytest.approx(float(second.bits.sum()), rel=1e-5)


def test_the_distortion_is_an_argument(rng, key):
    model = Toy()
    datum = image_datum(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), 8)
    absolute = lambda datum, x_hat: jnp.mean(jnp.abs(datum.x - x_hat))  # noqa: E731
    terms = objective(model, make_channel("rounding"), datum, key, 0.01, distortion=absolute)
    expected = np.abs(np.asarray(datum.x - terms.x_hat)).mean()
    assert float(terms.distortion) == pytest.approx(float(expected), rel=1e-6)
    assert float(terms.J) == pytest.approx(float(terms.bpp) + 0.01 * float(expected), rel=1e-6)
