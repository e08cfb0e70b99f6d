import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.models import make_model
from rdbound.objective.datum import Datum
from rdbound.objective.objective import objective
from rdbound.sources import make_source
from rdbound.theory import make_method
from rdbound.theory.dual_lower_bound import log_supremum
from rdbound.theory.vae_upper_bound import _klt

LN2 = np.log(2)


def _J(model, channel, source, lmbda, count=100_000):
    """Mean J of a model on a source, and its standard error."""
    x = source.sample(jax.random.key(1), count)
    keys = jax.random.split(jax.random.key(2), count)

    def one(x, key):
        return objective(model, channel, Datum(x, jnp.ones(x.shape)), key, lmbda).J

    J = np.asarray(jax.jit(jax.vmap(one))(x, keys), np.float64)
    return J.mean(), J.std() / np.sqrt(count)


def _linear(form, lmbda, n, gain, variance, prior_variances):
    """z = gain·x with posterior variance ``variance``, decoded by 1/gain."""
    model = make_model("mlp", form, lmbda, dimension=n, hidden=())
    model.encoder.layers[0].kernel[...] = gain * jnp.eye(n)
    model.decoder.layers[0].kernel[...] = jnp.eye(n) / gain
    model.log_sigma.bias[...] = jnp.full((n,), 0.5 * np.log(variance) + 1.0)
    model.top.log_sigma[...] = 0.5 * jnp.log(jnp.asarray(prior_variances))
    if form == "codec":  # the mixture's components coincide: a Gaussian
        model.top.offset[...] = jnp.zeros((n, 3))
        model.top.spread[...] = jnp.zeros((n, 3))
    return model


def test_digitization_is_a_quarter_of_a_bit_at_high_rate():
    """½·log₂(2πe/12) per active dimension: a quantized codec on a vector Gaussian.

    The step that minimizes h − log₂ Δ + λ·Δ²/12 has Δ²/12 = 1/(2·ln 2·λ), the
    distortion of the bound at the same λ: the whole difference is rate.
    """
    n, lmbda = 4, 3e4
    source = make_source("gaussian", variances=[1.0] * n)
    step = np.sqrt(12 / (2 * LN2 * lmbda))
    codec = _linear("codec", lmbda, n, 1 / step, 1.0, [step**-2] * n)
    J, error = _J(codec, make_channel("rounding"), source, lmbda)
    gap = J - source.exact(lmbda).J(lmbda)
    assert gap == pytest.approx(0.5 * np.log2(2 * np.pi * np.e / 12), abs=4 * error)
    assert error < 0.002


def test_the_modeling_gap_of_an_over_simple_prior_is_its_divergence():
    """A factorized prior over correlated latents pays KL(N(0, Σ) ‖ ∏ N(0, Σᵢᵢ))."""
    source, lmbda, variance = make_source("ar1", dimension=3, correlation=0.8), 20.0, 0.02
    lags = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    sigma = 0.8**lags + variance * np.eye(3)
    model = _linear("bound", lmbda, 3, 1.0, variance, np.diag(sigma))
    J, error = _J(model, make_channel("gaussian"), source, lmbda)
    information = 0.5 * np.log2(np.linalg.det(sigma) / variance**3)
    divergence = 0.5 * np.log2(np.prod(np.diag(sigma)) / np.linalg.det(sigma))
    ideal = information / 3 + lmbda * variance
    assert J - ideal == pytest.approx(divergence / 3, abs=4 * error)
    assert divergence / 3 > 50 * error


def test_a_linear_model_reaches_the_bound_of_a_correlated_gaussian():
    source = make_source("ar1", dimension=3, correlation=0.9)
    method = make_method("neural-upper", hidden=[], learning_rate=0.02, steps=800)
    (estimate,) = method.solve(source, [2.0])
    excess = estimate.J - source.exact(2.0).J(2.0)
    assert -3 * estimate.standard_error < excess < 0.01 + 3 * estimate.standard_error


@pytest.mark.slow
def test_a_start_from_the_klt_saves_steps():
    source = make_source("ar1", dimension=16, correlation=0.9)
    options = {"steps": 200, "hidden": [], "learning_rate": 0.01}
    exact = source.exact(2.0).J(2.0)
    excess = {}
    for start in ("random", "klt"):
        method = make_method("neural-upper", start=start, **options)
        (estimate,) = method.solve(source, [2.0])
        assert estimate.J - exact > -3 * estimate.standard_error
        excess[start] = estimate.J - exact
    ratio = excess["klt"] / excess["random"]
    assert ratio < 0.7
    with pytest.raises(ValueError, match="only a linear model"):
        make_method("neural-upper", start="klt").solve(source, [2.0])


@pytest.mark.slow
def test_a_linear_model_of_many_dimensions_is_within_three_percent_at_a_low_rate():
    """Most of its latents must close; see also configs/known_answers/gaussian_1000.yaml."""
    source = make_source("random-gaussian", dimension=100)
    method = make_method(
        "neural-upper",
        hidden=[],
        start="klt",
        batch=512,
        steps=400,
        learning_rate=0.01,
        test=20_000,
    )
    (estimate,) = method.solve(source, [0.57])
    exact = source.rate(estimate.distortion)
    assert exact < 0.1
    noise = 3 * estimate.standard_error
    assert -noise < estimate.rate - exact < 0.03 * exact + noise


@pytest.mark.slow
@pytest.mark.parametrize(("posterior", "prior"), [("full", "mixture"), ("autoregressive", "flow")])
def test_richer_families_are_upper_bounds_too(posterior, prior):
    source = make_source("gaussian", variances=[1.0, 1.0])
    method = make_method(
        "neural-upper",
        hidden=(),
        posterior=posterior,
        prior=prior,
        steps=300,
        learning_rate=0.02,
        test=20_000,
    )
    assert method.name == f"neural-upper-{posterior}-{prior}"
    (estimate,) = method.solve(source, [2.0])
    excess = estimate.J - source.exact(2.0).J(2.0)
    assert -3 * estimate.standard_error < excess < 0.05


def test_the_supremum_is_the_highest_of_a_fine_grid(rng):
    x = jnp.asarray(rng.normal(size=(60, 1)), jnp.float32)
    log_u = jnp.asarray(rng.normal(size=60) * 0.3, jnp.float32)
    found, y = log_supremum(x, log_u, 3.0, 60, 200)
    grid = np.linspace(-4, 4, 20001)[:, None]
    terms = -3.0 * (grid - np.asarray(x)[:, 0]) ** 2 - np.asarray(log_u)
    values = np.logaddexp.reduce(terms, axis=1) - np.log(60)
    assert float(found) == pytest.approx(values.max(), abs=1e-4)
    assert float(y[0]) == pytest.approx(grid[values.argmax(), 0], abs=1e-2)


def test_the_supremum_of_clusters_far_apart(rng):
    """Distances by |x|² − 2x·y + |y|² would be off by a hundred times the kernel's width."""
    x = jnp.asarray(
        np.where(np.arange(60) % 2, 1000, -1000) + 0.1 * rng.normal(size=60), jnp.float32
    )[:, None]
    log_u = jnp.asarray(rng.normal(size=60) * 0.3, jnp.float32)
    found, y = log_supremum(x, log_u, 700.0, 60, 200)
    grid = np.concatenate([np.linspace(c - 0.5, c + 0.5, 20001) for c in (-1000, 1000)])[:, None]
    terms = -700.0 * (grid - np.asarray(x, np.float64)[:, 0]) ** 2 - np.asarray(log_u, np.float64)
    values = np.logaddexp.reduce(terms, axis=1) - np.log(60)
    assert float(found) == pytest.approx(values.max(), abs=1e-3)
    assert float(y[0]) == pytest.approx(grid[values.argmax(), 0], abs=1e-2)


def test_mean_shift_from_every_sample_finds_no_less_than_from_a_few(rng):
    x = jnp.asarray(rng.normal(size=(80, 3)), jnp.float32)
    log_u = jnp.zeros(80)
    few, _ = log_supremum(x, log_u, 2.0, 3, 50)
    every, _ = log_supremum(x, log_u, 2.0, 80, 50)
    assert every >= few - 1e-6


def test_the_lower_bound_is_below_and_not_far():
    source = make_source("gaussian", variances=[1.0, 1.0])
    method = make_method("neural-lower", samples=512, hidden=(32,), steps=200, repeats=10)
    (estimate,) = method.solve(source, [2.0])
    exact = source.exact(2.0)
    assert exact.J(2.0) > estimate.J
    assert 0.6 * exact.J(2.0) < estimate.J
    assert estimate.side == "lower"
    # The point is one of the supporting line where R(D) touches it.
    assert estimate.distortion == pytest.approx(exact.distortion)


def test_the_reported_lower_bound_is_the_mean_less_its_margin():
    """Student's t at 90 %, one-sided, of four values: 1.637744."""
    source = make_source("gaussian", variances=[1.0, 1.0])
    method = make_method(
        "neural-lower", samples=128, hidden=(8,), steps=2, repeats=4, confidence=0.9
    )
    (estimate,) = method.solve(source, [2.0], seed=3)
    xi = estimate.certificate.xi / LN2 / 2
    error = xi.std(ddof=1) / 2
    assert estimate.standard_error == pytest.approx(error, rel=1e-9)
    assert pytest.approx(xi.mean() - 1.637744 * error, rel=1e-6) == estimate.J
    assert error > 0.001


def test_a_start_from_the_klt_does_not_depend_on_the_origin():
    """The axis of two clusters around (10⁴, −10⁴), along (1, 1)."""
    source = make_source("mixture", means=[[9999, -10001], [10001, -9999]], noise=0.1)
    (axis,) = np.asarray(_klt(source, 1, 0)).T
    np.testing.assert_allclose(np.abs(axis), np.sqrt(0.5), rtol=1e-3)
    assert axis[0] * axis[1] > 0


def test_one_xi_is_an_underestimate_for_any_u():
    """With an untrained u: Csiszár's dual holds for every positive function."""
    source = make_source("gaussian", variances=[1.0])
    method = make_method("neural-lower", samples=256, hidden=(8,), steps=1, repeats=20)
    (estimate,) = method.solve(source, [1.0])
    xi = estimate.certificate.xi / LN2
    assert xi.mean() < source.exact(1.0).J(1.0) + 3 * xi.std() / np.sqrt(len(xi))


def test_k_samples_say_no_more_than_their_logarithm(rng):
    """C_k is at least one sample's own term, so ξ ≤ ln k for every u."""
    x = jnp.asarray(rng.normal(size=(64, 8)), jnp.float32)
    for scale in (0.1, 1.0, 10.0):
        log_u = jnp.asarray(scale * rng.normal(size=64), jnp.float32)
        log_c, _ = log_supremum(x, log_u, 50.0, 64, 50)
        assert -log_u.mean() - log_c <= np.log(64) + 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"posterior": "normal"}, "unknown posterior"),
        ({"prior": "normal"}, "unknown prior"),
        ({"prior": "flow", "latent": 1}, "two dimensions"),
    ],
)
def test_unknown_families(options, message):
    with pytest.raises(ValueError, match=message):
        make_model("mlp", "bound", 1.0, dimension=2, **options)
    with pytest.raises(ValueError, match="a codec has"):
        make_model("mlp", "codec", 1.0, dimension=2, prior="mixture")


def test_a_variable_rate_linear_model_knows_its_rate(rng):
    model = make_model("mlp", "bound", (0.5, 2.0), dimension=2, hidden=())

    def at(lmbda):
        return model.infer(jnp.ones(2), lmbda)[0]

    np.testing.assert_array_equal(at(0.5).log_sigma, at(2.0).log_sigma)  # zero kernel at the start
    moved = jax.tree.map(lambda leaf: leaf + rng.normal(size=leaf.shape), nnx.state(model))
    nnx.update(model, moved)
    assert (jnp.abs(at(0.5).log_sigma - at(2.0).log_sigma) > 1e-3).all()
