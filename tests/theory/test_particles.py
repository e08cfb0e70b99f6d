"""Wasserstein gradient descent and NERD: both hold a discrete reproduction distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.sources import make_source
from rdbound.theory import make_method
from rdbound.theory.blahut_arimoto import blahut_arimoto
from rdbound.theory.discretize import pairwise
from rdbound.theory.wasserstein import Particles, held_out, particle_limit

CIRCLE = 1 / (2 * np.log(2) * 0.01)  # where the circle itself is the optimum


def _excess(estimate, source):
    return estimate.J - source.exact(estimate.lmbda).J(estimate.lmbda)


@pytest.mark.parametrize("hybrid", [True, False])
def test_the_circle_is_found(hybrid):
    source = make_source("circle", noise=0.1)
    method = make_method("wasserstein", particles=64, samples=5000, steps=300, hybrid=hybrid)
    (estimate,) = method.solve(source, [CIRCLE * 1.001])
    exact = source.exact(estimate.lmbda).J(estimate.lmbda)
    assert _excess(estimate, source) > -3 * estimate.standard_error
    assert _excess(estimate, source) < 0.005 * exact + 3 * estimate.standard_error
    particles = method.fit(source, CIRCLE)
    away = np.abs(np.linalg.norm(particles.y, axis=1) - 1.0)
    # A third of the noise that was taken off.
    assert np.exp(particles.log_weight) @ away < 0.03


def test_a_gaussian_of_four_dimensions_within_two_percent():
    source = make_source("gaussian", variances=[1.0] * 4)
    method = make_method("wasserstein", particles=512, samples=8000, steps=200)
    (estimate,) = method.solve(source, [1.5])
    exact = source.exact(1.5).J(1.5)
    assert -3 * estimate.standard_error < _excess(estimate, source)
    assert _excess(estimate, source) < 0.02 * exact + 3 * estimate.standard_error


@pytest.mark.slow
def test_few_particles_convey_few_bits():
    """At a rate beyond log₂ m / n the bound is loose, and says so; more particles mend it."""
    source = make_source("gaussian", variances=[1.0])
    rates = []
    for particles in (2, 8, 64):
        method = make_method("wasserstein", particles=particles, samples=4000, steps=200)
        (estimate,) = method.solve(source, [30.0])
        assert estimate.rate <= particle_limit(particles, 1) + 1e-6
        rates.append(_excess(estimate, source))
        assert bool(estimate.status) == (particles < 64)
    assert rates[0] > rates[1] > rates[2] > -3 * estimate.standard_error


def test_the_held_out_point_is_that_of_the_channel(key):
    """Against Blahut–Arimoto's R and D for the same discrete reproduction."""
    x = np.asarray(jax.random.normal(key, (50, 2)), np.float64)
    y = np.asarray(jax.random.normal(jax.random.key(1), (7, 2)), np.float64)
    particles = Particles(jnp.asarray(y, jnp.float32), jnp.full((7,), -np.log(7.0), jnp.float32))
    rate, distortion, _ = held_out(particles, jnp.asarray(x, jnp.float32), 1.3)
    matrix = 2 * pairwise(x, y, "squared")
    kernel = 2.0 ** (-1.3 * matrix)
    share = kernel / kernel.sum(1, keepdims=True)
    assert distortion == pytest.approx((share * matrix).sum(1).mean() / 2, rel=1e-5)
    assert rate == pytest.approx((share * np.log2(7 * share)).sum(1).mean() / 2, rel=1e-4)
    lower = blahut_arimoto(np.full(50, 0.02), matrix, [1.3]).lower[0] / 2
    assert rate + 1.3 * distortion >= lower - 1e-6


def test_nerd_is_an_upper_bound_that_turns_loose_beyond_log_k():
    source = make_source("gaussian", variances=[1.0, 1.0])
    method = make_method("nerd", hidden=(32,), samples=200, steps=300, test=8000)
    low, high = method.solve(source, [1.5, 400.0])
    for estimate in (low, high):
        assert _excess(estimate, source) > -3 * estimate.standard_error
    assert _excess(low, source) < 0.05
    assert not low.status
    # R = 4.4 bits a dimension there, and 200 samples can express 3.8.
    assert source.exact(400.0).rate > np.log2(200) / 2
    assert _excess(high, source) > 0.3
    assert "log₂ k" in high.status


@pytest.mark.parametrize(
    ("method", "source", "options", "message"),
    [
        ("wasserstein", "gaussian", {"variances": [1.0] * 17}, "at most 16 dimensions"),
        ("wasserstein", "laplacian", {}, "needs squared error"),
        ("nerd", "bernoulli", {"p": 0.5}, "needs squared error"),
        ("neural-upper", "laplacian", {}, "needs squared error"),
        ("neural-lower", "laplacian", {}, "needs squared error"),
        ("shannon-lower", "manifold", {"intrinsic": 1, "dimension": 2}, "entropy"),
        ("shannon-lower", "bernoulli", {"p": 0.5}, "entropy"),
        ("exact", "banana", {}, "not known"),
        ("one-shot", "banana", {}, "not known"),
        ("blahut-arimoto", "sawbridge", {}, "at most 3 dimensions"),
    ],
)
def test_methods_refuse_what_they_cannot_do(method, source, options, message):
    with pytest.raises(ValueError, match=message) as error:
        make_method(method).solve(make_source(source, **options), [1.0])
    assert "\n" not in str(error.value)


def test_what_draws_no_samples_is_refused():
    class Mute:
        distortion, dimension = "squared", 2

    with pytest.raises(ValueError, match="draws none"):
        make_method("wasserstein").solve(Mute(), [1.0])


@pytest.mark.parametrize("name", ["wasserstein", "nerd", "neural-upper", "neural-lower", "exact"])
def test_lambda_must_be_positive(name):
    with pytest.raises(ValueError, match="must be positive"):
        make_method(name).solve(make_source("gaussian", variances=[1.0]), [0.0])


def test_unknown_names_and_options():
    with pytest.raises(ValueError, match="choose one of"):
        make_method("blahut")
    with pytest.raises(ValueError, match="no option 'size'"):
        make_method("nerd", size=3)
    # YAML reads 2e-3 as a string; it is understood.
    assert make_method("nerd", learning_rate="2e-3").learning_rate == 0.002
    for options in ({"hidden": 64}, {"steps": 0}, {"test": 1}, {"learning_rate": "fast"}):
        with pytest.raises(ValueError, match=f"method 'nerd': {next(iter(options))}") as error:
            make_method("nerd", **options)
        assert "\n" not in str(error.value)


def test_distances_survive_a_source_far_from_the_origin(key):
    """Float32 distances of points near 3000 would lose J its third digit."""
    x = jax.random.normal(key, (4000, 2))
    y = x[:64]
    weights = jnp.full((64,), -np.log(64.0), jnp.float32)
    near = held_out(Particles(y, weights), x, 4.0)
    far = held_out(Particles(y + 3000.0, weights), x + 3000.0, 4.0)
    # What is left is the rounding of the points themselves.
    assert far[0] == pytest.approx(near[0], abs=1e-3)
    assert far[1] == pytest.approx(near[1], rel=1e-3)
