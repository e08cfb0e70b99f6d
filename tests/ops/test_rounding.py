import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.ops.rounding import lower_bound, sga_round, straight_through_round


def test_straight_through_rounds_with_identity_gradient():
    x = jnp.array([-1.6, 0.2, 0.7])
    assert straight_through_round(x).tolist() == [-2.0, 0.0, 1.0]
    assert jax.grad(lambda x: straight_through_round(x).sum())(x).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("x", "direction", "expected"), [
    (2.0, 1.0, 1.0), (2.0, -1.0, -1.0), (0.5, 1.0, 0.0), (0.5, -1.0, -1.0)])  # fmt: skip
def test_lower_bound_passes_gradients_that_raise(x, direction, expected):
    assert float(lower_bound(x, 1.0)) == max(x, 1.0)
    assert float(jax.grad(lambda x: direction * lower_bound(x, 1.0))(x)) == expected


def test_cold_sga_is_rounding(key):
    x = jnp.linspace(-3.3, 3.3, 1000)
    cold = sga_round(key, x, 1e-4)
    clear = np.abs(x - jnp.round(x)) < 0.45
    np.testing.assert_allclose(cold[clear], jnp.round(x)[clear], atol=1e-6)


def test_sga_draws_lie_between_the_neighbours_with_the_stated_odds(key):
    # The hard decision of a Gumbel-softmax falls on each side with the softmax's odds.
    x, temperature, n = 0.3, 0.5, 20_000
    draws = sga_round(key, jnp.full(n, x), temperature)
    assert float(draws.min()) >= 0.0
    assert float(draws.max()) <= 1.0
    logits = -np.arctanh([x, 1 - x]) / temperature
    up = np.exp(logits[1]) / np.exp(logits).sum()
    found = float((draws > 0.5).mean())
    assert abs(found - up) < 4 * np.sqrt(up * (1 - up) / n)


def test_sga_gradient_is_finite_at_integers(key):
    x = jnp.array([-2.0, 0.0, 3.0, 0.5, 1e6])
    gradient = jax.grad(lambda x: sga_round(key, x, 0.1).sum())(x)
    assert jnp.isfinite(gradient).all()
