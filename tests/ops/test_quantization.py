import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rdbound.ops.quantization import (
    annealed_round,
    kumaraswamy,
    lower_bound,
    sga_round,
    soft_round,
    straight_through_round,
)


def test_straight_through_rounds_with_identity_gradient():
    x = jnp.array([-1.6, 0.2, 0.7])
    assert straight_through_round(x).tolist() == [-2.0, 0.0, 1.0]
    assert jax.grad(lambda x: straight_through_round(x).sum())(x).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("x", "direction", "expected"),
    [(2.0, 1.0, 1.0), (2.0, -1.0, -1.0), (0.5, 1.0, 0.0), (0.5, -1.0, -1.0)],
)
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


def _soft_moments(x, tau_logits, tau_softmax):
    """Mean and variance of a Gumbel-softmax between two: the noises' difference is logistic."""
    low, high = np.arctanh(x), np.arctanh(1 - x)
    u = (np.arange(200_000) + 0.5) / 200_000
    logistic = np.log(u / (1 - u))
    weight = 1 / (1 + np.exp(-((low - high) / tau_logits + logistic) / tau_softmax))
    return weight.mean(), weight.var(), np.mean((weight - weight.mean()) ** 4)


@pytest.mark.parametrize("x", [0.15, 0.5, 0.8])
@pytest.mark.parametrize("temperature", [0.5, 0.2])
def test_soft_draws_have_the_moments_of_the_gumbel_softmax(key, x, temperature):
    """τ stands in the logits and in the softmax: with one of the two at 1 the moments part."""
    n = 200_000
    draws = np.asarray(sga_round(key, jnp.full(n, x + 3.0, jnp.float32), temperature), float) - 3.0

    def errors(tau_logits, tau_softmax):
        mean, variance, fourth = _soft_moments(x, tau_logits, tau_softmax)
        spread = np.sqrt((fourth - variance**2) / n)
        return (draws.mean() - mean) / np.sqrt(variance / n), (draws.var() - variance) / spread

    assert max(np.abs(errors(temperature, temperature))) < 4
    for wrong in ((1.0, temperature), (temperature, 1.0), (2 * temperature, temperature)):
        if x == 0.5 and wrong[1] == temperature:
            continue  # at ½ the logits are equal at any temperature
        assert max(np.abs(errors(*wrong))) > 20


def test_soft_draws_follow_a_simulation_of_the_formula(key):
    """Whole distributions: deciles of −4.7's draws against NumPy's own Gumbel noise."""
    n, tau, x = 100_000, 0.5, -4.7
    draws = np.asarray(sga_round(key, jnp.full(n, x, jnp.float32), tau), float)
    noise = np.random.default_rng(3).gumbel(size=(n, 2))
    logits = -np.arctanh([x - -5.0, -4.0 - x]) / tau
    powers = np.exp((logits + noise) / tau)
    theirs = -5.0 + powers[:, 1] / powers.sum(1)
    levels = np.linspace(0.1, 0.9, 9)
    # The share of draws below each decile of the other sample.
    below = (draws[:, None] < np.quantile(theirs, levels)).mean(0)
    assert (np.abs(below - levels) < 4.5 * np.sqrt(2 * levels * (1 - levels) / n)).all()


def test_draws_of_different_entries_are_independent(key):
    one, other = np.asarray(sga_round(key, jnp.full((2, 50_000), 0.4), 0.5), float)
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(50_000)


def test_the_annealed_mean_is_that_of_the_probabilities_without_their_noise():
    """Brute force, in NumPy: probabilities proportional to e^(−atanh(distance)/τ)."""
    x = np.linspace(-2.95, 2.95, 60)
    low = np.floor(x)
    for tau in (0.5, 0.1):
        below, above = (np.exp(-np.arctanh(d) / tau) for d in (x - low, low + 1 - x))
        expected = low + above / (below + above)
        np.testing.assert_allclose(annealed_round(jnp.float32(x), tau), expected, atol=2e-5)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
def test_soft_rounding_keeps_integers_and_halves_and_is_odd_around_them(temperature):
    x = jnp.array([-3.0, -1.5, 0.0, 0.5, 2.0])
    np.testing.assert_allclose(soft_round(x, temperature), x, atol=1e-6)
    d = jnp.linspace(0.01, 0.49, 25)
    for centre in (-1.5, 0.5, 2.5):
        above, below = soft_round(centre + d, temperature), soft_round(centre - d, temperature)
        np.testing.assert_allclose(above - centre, centre - below, atol=1e-5)
        assert (above > centre + d - 1e-6).all(), "pushed to the integer"
    # By the published formula, at one place.
    expected = 1.5 + np.tanh(0.2 / temperature) / (2 * np.tanh(0.5 / temperature))
    np.testing.assert_allclose(soft_round(jnp.float32(1.7), temperature), expected, rtol=1e-5)


def test_soft_rounding_lies_between_the_identity_and_rounding():
    x = jnp.linspace(-2.99, 2.99, 301)
    x = x[jnp.abs(x - jnp.floor(x) - 0.5) > 0.02]
    np.testing.assert_allclose(soft_round(x, 100.0), x, atol=1e-4)
    np.testing.assert_allclose(soft_round(x, 0.003), jnp.round(x), atol=1e-5)


@pytest.mark.parametrize("a", [1.0, 1.5, 2.0, 4.0])
def test_the_noise_has_kumaraswamys_distribution_with_its_mode_in_the_middle(key, a):
    b = (2**a * (a - 1) + 1) / a
    draws = np.asarray(kumaraswamy(key, a, (50_000,)), float)
    assert stats.kstest(draws, lambda x: 1 - (1 - x**a) ** b).pvalue > 1e-3
    if a > 1:
        x = np.linspace(0.001, 0.999, 9999)
        density = a * b * x ** (a - 1) * (1 - x**a) ** (b - 1)
        assert abs(x[density.argmax()] - 0.5) < 1e-3
