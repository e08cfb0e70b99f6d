import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.models import make_model
from rdbound.objective import amortized, clip, eight_bit, objective
from rdbound.ops.distributions import Gaussian
from rdbound.sources.base import Datum
from rdbound.sources.images import to_datum
from tests.toy import Toy


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
    assert float(terms.J) == pytest.approx(float(terms.bpp + 2.0 * terms.mse), rel=1e-6)


def test_padding_counts_in_the_rate_and_not_in_the_distortion(rng, key):
    model = Toy()
    image = rng.integers(0, 256, (13, 9, 3), dtype=np.uint8)
    datum = to_datum(image, model.stride)
    assert datum.x.shape == (16, 16, 3)
    terms = objective(model, make_channel("rounding"), datum, key, 0.01, decode=eight_bit)
    x_hat = np.rint(np.asarray(terms.x_hat[:13, :9]) * 255)
    assert float(terms.mse) == pytest.approx(np.mean((x_hat - image) ** 2), rel=1e-5)
    assert float(terms.bpp) == pytest.approx(float(sum(terms.bits)) / (13 * 9), rel=1e-6)
    worse = datum._replace(x=datum.x.at[13:].add(5.0))
    posteriors = amortized(model, make_channel("rounding"), datum, key, 0.01)
    again = objective(model, make_channel("rounding"), worse, key, 0.01, posteriors, eight_bit)
    assert float(again.mse) == pytest.approx(float(terms.mse), rel=1e-6)


def test_decoders():
    x = jnp.array([-0.2, 0.5011, 1.3])
    assert clip(x).tolist() == pytest.approx([0.0, 0.5011, 1.0])
    np.testing.assert_allclose(eight_bit(x) * 255, [0, 128, 255], atol=1e-4)


class Hierarchical(nnx.Module):
    """Two scalar levels whose second posterior depends on the first sample."""

    stride, peak, form, lmbda_range = 1, 1.0, "bound", (1.0, 1.0)

    def infer(self, x, lmbda):
        first = Gaussian(x, jnp.zeros_like(x))
        return first, lambda latents: Gaussian(latents[0] + 1.0, jnp.zeros_like(x))

    def prior(self, level, latents, lmbda):
        centre = latents[0] if level else jnp.zeros(1)
        return Gaussian(centre, jnp.zeros(1))

    def synthesize(self, latents, lmbda):
        return latents[1]


def test_a_hierarchical_posterior_sees_what_was_conveyed_above(key):
    datum = Datum(jnp.array([0.5]), jnp.ones(1))
    terms = objective(Hierarchical(), make_channel("gaussian"), datum, key, 1.0)
    # KL(N(a + 1, 1) ‖ N(a, 1)) = 1/2 nat wherever a fell.
    assert float(terms.bits[1]) == pytest.approx(0.5 / np.log(2), rel=1e-5)
    posteriors = amortized(Hierarchical(), make_channel("gaussian"), datum, key, 1.0)
    fixed = objective(Hierarchical(), make_channel("gaussian"), datum, key, 1.0, posteriors)
    assert float(fixed.J) == pytest.approx(float(terms.J), rel=1e-6)
