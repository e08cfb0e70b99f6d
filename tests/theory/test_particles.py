"""Wasserstein gradient descent and NERD: both hold a discrete reproduction distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.sources import make_source
from rdbound.theory import Estimate, make_method
from rdbound.theory.base import solve_each
from rdbound.theory.blahut_arimoto import blahut_arimoto
from rdbound.theory.discretization import pairwise
from rdbound.theory.wasserstein import Particles, equal_weights, held_out, particle_limit

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
    particles = estimate.certificate
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
    found = held_out(particles, jnp.asarray(x, jnp.float32), 1.3)
    matrix = 2 * pairwise(x, y, "squared")
    kernel = 2.0 ** (-1.3 * matrix)
    share = kernel / kernel.sum(1, keepdims=True)
    D, R = (share * matrix).sum(1) / 2, (share * np.log2(7 * share)).sum(1) / 2
    values = np.stack([R, D, R + 1.3 * D])
    np.testing.assert_allclose(found.mean, values.mean(1), rtol=1e-5)
    np.testing.assert_allclose(found.error, values.std(1, ddof=1) / np.sqrt(50), rtol=1e-5)
    lower = blahut_arimoto(np.full(50, 0.02), matrix, [1.3]).lower[0] / 2
    assert found.mean[2] >= lower - 1e-6


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
    with pytest.raises(ValueError, match="size: unknown key; valid keys: batch, hidden, "):
        make_method("nerd", size=3)
    # YAML reads 2e-3 as a string; it is understood.
    assert make_method("nerd", learning_rate="2e-3").learning_rate == 0.002
    for options in ({"hidden": 64}, {"steps": 0}, {"test": 1}, {"learning_rate": "fast"}):
        with pytest.raises(ValueError, match=f"method 'nerd'.*{next(iter(options))}") as error:
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
    np.testing.assert_allclose(far.mean, near.mean, rtol=1e-3)


FAR = {"means": [[-1000.0], [1000.0]], "noise": 0.1}
FEW = {"particles": 64, "samples": 2000, "steps": 100, "learning_rate": 1e-4, "test": 5000}


def test_clusters_far_apart_keep_their_bound():
    """Distances of a tenth between points at ±1000: |x|² in float32 is off by a hundredth."""
    source, method = make_source("mixture", **FAR), make_method("wasserstein", **FEW)
    (estimate,) = method.solve(source, [1000.0])
    assert not estimate.status
    noise = 3 * estimate.standard_error
    assert -noise < _excess(estimate, source) < 0.05 + noise
    assert estimate.tolerance < 0.2 * estimate.standard_error + 1e-3
    below = source.rate(estimate.distortion) - estimate.rate
    assert below < noise


def test_the_point_of_clusters_far_apart_is_that_of_float64():
    source, lmbda = make_source("mixture", **FAR), 1000.0
    x, y = (source.sample(jax.random.key(i), n) for i, n in ((0, 400), (1, 32)))
    found = held_out(Particles(y, jnp.full((32,), -np.log(32.0))), x, lmbda)
    matrix = pairwise(np.asarray(x, np.float64), np.asarray(y, np.float64), "squared")
    exponent = -lmbda * (matrix - matrix.min(1, keepdims=True))
    share = 2.0**exponent / (2.0**exponent).sum(1, keepdims=True)
    used = np.maximum(share, 1e-300)
    R, D = (share * np.log2(32 * used)).sum(1), (share * matrix).sum(1)
    np.testing.assert_allclose(found.mean[:2], [R.mean(), D.mean()], rtol=1e-4)


def test_the_rate_of_far_particles_is_no_difference_of_large_numbers():
    """J is 3·10⁷ bits, R 0.29: two of three particles are nearest, at one distance."""
    x = jnp.zeros((8, 2))
    y = jnp.asarray([[3000.0, 4000.0], [4000.0, 3000.0], [-5000.0, 100.0]], jnp.float32)
    found = held_out(Particles(y, equal_weights(3)), x, 2.4)
    assert found.mean[0] == pytest.approx(np.log2(1.5) / 2, abs=1e-6)
    assert found.mean[1] == pytest.approx(1.25e7, rel=1e-6)


def test_samples_that_float32_rounds_are_said_to_be_rounded():
    source = make_source("mixture", means=[[-1e4], [1e4]], noise=0.1)
    options = FEW | {"learning_rate": 1e-5, "test": 40_000}
    (estimate,) = make_method("wasserstein", **options).solve(source, [1000])
    v = 2.0**-20 / 4  # neighbours are 2⁻¹⁰ apart
    tolerance = 1000 * (2 * np.sqrt(estimate.distortion * v) + v)
    assert estimate.tolerance == pytest.approx(tolerance, rel=1e-6)
    assert tolerance > estimate.standard_error
    assert f"may be off by {tolerance:.2g} bits" in estimate.status
    # How close few particles come is chance; that they do not pass below is not.
    assert -tolerance - 3 * estimate.standard_error < _excess(estimate, source) < 1.0
    (near,) = make_method("wasserstein", **FEW).solve(make_source("uniform"), [50.0])
    assert near.tolerance < 1e-6
    assert not near.status


def test_what_is_not_finite_says_so():
    source = make_source("uniform")
    estimate = Estimate(
        source=source,
        method=make_method("wasserstein"),
        side="upper",
        lmbda=1.0,
        rate=np.nan,
        distortion=np.nan,
        standard_error=np.nan,
        status="near the limit",
        certificate=None,
    )
    (found,) = solve_each(source, [1.0], lambda lmbda: estimate)
    assert found.status == "the estimate is not finite: lower the learning rate"


def test_the_reported_error_is_that_of_a_mean():
    """One particle at y: J = λ·(x − y)², of variance λ²·(2 + 4y²) for a standard normal x."""
    source = make_source("gaussian", variances=[1.0])
    method = make_method("wasserstein", particles=1, samples=500, steps=5, test=40_000)
    (estimate,) = method.solve(source, [0.5])
    y = float(estimate.certificate.y[0, 0])
    expected = 0.5 * np.sqrt((2 + 4 * y**2) / 40_000)
    assert estimate.standard_error == pytest.approx(expected, rel=0.05)
    assert estimate.distortion_error == pytest.approx(2 * expected, rel=0.05)
    assert estimate.rate_error == pytest.approx(0.0, abs=1e-9)
    assert estimate.distortion == pytest.approx(1 + y**2, abs=4 * estimate.distortion_error)


def test_the_reported_point_is_judged_on_fresh_samples():
    """Where every sample of the fit is a particle, its own distortion is all but zero."""
    source, lmbda = make_source("uniform"), 1e5
    method = make_method(
        "wasserstein", particles=256, samples=256, test=256, steps=1, learning_rate=1e-6
    )
    (estimate,) = method.solve(source, [lmbda])
    fresh = held_out(estimate.certificate, source.sample(jax.random.key(77), 20_000), lmbda)
    own = held_out(estimate.certificate, source.sample(jax.random.key(0), 256), lmbda)
    noise = 4 * (estimate.standard_error + fresh.error[2])
    assert pytest.approx(fresh.mean[2], abs=noise) == estimate.J
    assert own.mean[2] < fresh.mean[2] - noise


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("wasserstein", {"particles": 4, "samples": 8, "batch": 4, "steps": 1, "test": 8}),
        ("nerd", {"hidden": (2,), "samples": 4, "batch": 4, "steps": 1, "test": 8, "repeats": 4}),
        ("neural-lower", {"hidden": (2,), "samples": 8, "steps": 1, "repeats": 4}),
        ("neural-upper", {"hidden": (2,), "batch": 4, "steps": 1, "test": 8}),
    ],
)
def test_two_seeds_share_no_key(name, options, monkeypatch):
    """Else the mean over seeds would have a larger error than its spread says."""
    whole, seeds = jax.random.key, []
    monkeypatch.setattr(jax.random, "key", lambda seed: seeds.append(int(seed)) or whole(seed))
    method, source, drawn = make_method(name, **options), make_source("banana"), []
    for seed in (100, 101):
        seeds.clear()
        method.solve(source, [1.0], seed)
        drawn.append(set(seeds))
    # The spacing of samples, for the tolerance, is measured with a key of its own.
    assert drawn[0] & drawn[1] <= {0}
    assert len(drawn[0]) > 2
