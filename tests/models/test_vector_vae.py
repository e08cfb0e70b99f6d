import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import multivariate_normal, norm

from rdbound.models import make_model
from rdbound.models.factorized_prior import FactorizedPrior
from rdbound.models.hyperprior import Hyperprior
from rdbound.ops.distributions import Gaussian, JointMixture

N, LATENT = 5, 3


def _shaken(model, rng, scale=0.3):
    """The model with every weight moved, so that no term of a formula is zero."""
    graphdef, state = nnx.split(model)
    move = lambda leaf: leaf + jnp.asarray(scale * rng.standard_normal(leaf.shape), jnp.float32)  # noqa: E731
    return nnx.merge(graphdef, jax.tree.map(move, state))


def _mlp(rng=None, form="bound", lmbda=1.0, **options):
    model = make_model("mlp", form, lmbda, dimension=N, **{"latent": LATENT, **options})
    return model if rng is None else _shaken(model, rng)


def _x(rng):
    return jnp.asarray(rng.standard_normal(N), jnp.float32)


def test_a_linear_model_is_its_matrices_and_gains(rng):
    model = _mlp(rng, hidden=[])
    x, into, out = _x(rng), model.encoder.layers[0], model.decoder.layers[0]
    (q,) = model.infer(x, 1.0)
    expected = model.gain_in[...] * (np.asarray(x) @ into.kernel[...] + into.bias[...])
    np.testing.assert_allclose(q.mu, expected, atol=1e-5)
    np.testing.assert_allclose(q.log_sigma, model.log_sigma.bias[...] - 1.0, atol=1e-6)
    x_hat = (model.gain_out[...] * q.mu) @ out.kernel[...] + out.bias[...]
    np.testing.assert_allclose(model.synthesize((q.mu,), 1.0), x_hat, atol=1e-5)
    prior = model.prior(0, (), 1.0)
    np.testing.assert_array_equal(prior.mu, model.top.mu[...])
    np.testing.assert_array_equal(prior.log_sigma, model.top.log_sigma[...])


@pytest.mark.parametrize("latent", [3, 5, 8])
def test_a_linear_model_starts_as_a_rotation_and_its_inverse(latent, rng):
    model = _mlp(hidden=[], latent=latent, lmbda=(1.0, 4.0))
    into = model.encoder.layers[0].kernel[:N]
    gram = into.T @ into if latent < N else into @ into.T
    np.testing.assert_allclose(gram, np.eye(min(latent, N)), atol=1e-5)
    np.testing.assert_array_equal(model.decoder.layers[0].kernel[:latent], into.T)


def test_a_linear_model_starts_from_a_given_transform(rng):
    model, x = _mlp(hidden=[]), _x(rng)
    transform = rng.standard_normal((N, LATENT)).astype(np.float32)
    model.start_from(jnp.asarray(transform))
    (q,) = model.infer(x, 1.0)
    np.testing.assert_allclose(q.mu, x @ transform, atol=1e-5)
    np.testing.assert_allclose(model.synthesize((q.mu,), 1.0), transform @ q.mu, atol=1e-5)


def test_a_deep_model_is_linear_layers_with_leaky_relus_between(rng):
    model, x = _mlp(rng, hidden=[7, 6]), _x(rng)
    h = np.asarray(x)
    for i, layer in enumerate(model.encoder.layers):
        h = h @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])
        h = np.where(h > 0, h, 0.01 * h) if i < 2 else h
    (q,) = model.infer(x, 1.0)
    np.testing.assert_allclose(q.mu, h[:LATENT], atol=1e-5)
    np.testing.assert_allclose(q.log_sigma, h[LATENT:] - 1.0, atol=1e-5)


def test_log_scales_of_a_fresh_deep_model_do_not_depend_on_x(rng):
    model = _mlp(hidden=[7])
    one, other = (model.infer(_x(rng), 1.0)[0] for _ in range(2))
    np.testing.assert_array_equal(one.log_sigma, np.full(LATENT, -1.0))
    np.testing.assert_array_equal(one.log_sigma, other.log_sigma)
    assert np.abs(one.mu - other.mu).max() > 0.01


@pytest.mark.parametrize("hidden", [[], [8]])
def test_lambda_is_embedded_only_where_the_range_is_wide(hidden, rng):
    fixed, wide = (_mlp(hidden=hidden, lmbda=lmbda) for lmbda in ((2.0, 2.0), (1.0, 4.0)))
    assert fixed.embedding is None
    for stack, width in (("encoder", N), ("decoder", LATENT)):
        assert getattr(fixed, stack).layers[0].kernel.shape[0] == width
        assert getattr(wide, stack).layers[0].kernel.shape[0] == width + 16
    x = _x(rng)
    for model, hears in ((_shaken(fixed, rng), False), (_shaken(wide, rng), True)):
        low, high = model.infer(x, 1.0)[0], model.infer(x, 4.0)[0]
        assert np.any(low.mu != high.mu) == hears
        assert np.any(low.log_sigma != high.log_sigma) == hears
        z = (low.mu,)
        assert np.any(model.synthesize(z, 1.0) != model.synthesize(z, 4.0)) == hears


@pytest.mark.parametrize("hidden", [[], [8]])
def test_a_full_posteriors_draws_have_the_covariance_and_density_of_its_factor(hidden, rng, key):
    model, x, n = _mlp(rng, hidden=hidden, posterior="full"), _x(rng), 40_000
    (q,) = model.infer(x, 1.0)
    sigma = np.exp(np.asarray(q.log_diagonal, float))
    factor = np.tril(sigma[:, None] * np.asarray(model.lower(x)).reshape(LATENT, LATENT), -1)
    factor += np.diag(sigma)
    covariance = factor @ factor.T
    draws, log_q = (np.asarray(a, float) for a in jax.vmap(q.draw)(jax.random.split(key, n)))
    assert draws.shape == log_q.shape == (n, LATENT)
    truth = multivariate_normal(np.asarray(q.mu, float), covariance)
    np.testing.assert_allclose(log_q.sum(1), truth.logpdf(draws), atol=1e-3)
    variances = np.diag(covariance)
    assert (np.abs(draws.mean(0) - q.mu) < 4.5 * np.sqrt(variances / n)).all()
    error = np.sqrt((covariance**2 + np.outer(variances, variances)) / n)
    assert (np.abs(np.cov(draws.T) - covariance) < 4.5 * error).all()
    off = np.abs(covariance - np.diag(variances)) / error
    assert off.max() > 20, "correlated, so that a forgotten factor would be seen"


def test_a_fresh_full_posterior_is_the_factorized_one(rng, key):
    full, plain = _mlp(hidden=[8], posterior="full"), _mlp(hidden=[8])
    x = _x(rng)
    one, other = full.infer(x, 1.0)[0].draw(key), plain.infer(x, 1.0)[0].draw(key)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_a_fresh_autoregressive_posterior_is_its_base(rng, key):
    model, x = _mlp(hidden=[8], posterior="autoregressive"), _x(rng)
    (variational,) = model.infer(x, 1.0)
    np.testing.assert_array_equal(variational.context, x)
    (plain,) = _mlp(hidden=[8]).infer(x, 1.0)
    np.testing.assert_array_equal(variational.base.mu, plain.mu)
    q = model.posterior(0, (), variational, 1.0)
    sample, log_q = q.draw(key)
    expected, log_expected = variational.base.draw(key)
    np.testing.assert_allclose(sample, expected, rtol=1e-6)
    np.testing.assert_allclose(log_q, log_expected, rtol=1e-6)
    truth = norm(np.asarray(plain.mu), np.exp(np.asarray(plain.log_sigma))).logpdf(sample)
    np.testing.assert_allclose(log_q, truth, atol=1e-5)


def test_the_mixture_prior_is_one_density_of_the_whole_vector(rng):
    model, z = _mlp(rng, prior="mixture", components=4), rng.standard_normal(LATENT)
    prior = model.prior(0, (), 1.0)
    assert isinstance(prior, JointMixture)
    weight = np.exp(np.asarray(prior.log_weight, float))
    assert weight.sum() == pytest.approx(1.0, abs=1e-6)
    logits = np.asarray(model.top.weight[...], float)
    np.testing.assert_allclose(weight, np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)
    parts = norm(np.asarray(model.top.mu[...]), np.exp(model.top.log_sigma[...])).pdf(z)
    expected = np.log(np.sum(weight * parts.prod(1)))
    found = prior.log_density(jnp.asarray(z, jnp.float32))
    assert found.shape == ()
    assert float(found) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"posterior": "fall"},
            r"unknown posterior 'fall': choose one of factorized, full, autoreg",
        ),
        ({"prior": "laplace"}, r"unknown prior 'laplace': choose one of gaussian, mixture, flow"),
        (
            {"form": "codec", "posterior": "full"},
            r"a codec has the factorized posterior, not 'full'",
        ),
        ({"form": "codec", "prior": "flow"}, r"a codec has the gaussian prior, not 'flow'"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        _mlp(**options)


def test_a_codecs_factorized_scales_end_at_the_bound_and_a_bounds_do_not():
    for form, floor in (("codec", 0.11), ("bound", 0.0)):
        top = FactorizedPrior(3, form)
        top.log_sigma[...] = jnp.array([-jnp.inf, np.log(0.2), 1.0])
        sigma = np.exp(np.asarray(top().log_sigma, float))
        assert sigma.min() >= floor * (1 - 1e-6)
        assert sigma.min() == pytest.approx(floor, rel=1e-6, abs=1e-20)
    spread = np.exp([-0.7, 0.0, 0.7])
    top = FactorizedPrior(3, "codec")
    top.log_sigma[...], top.mu[...] = jnp.array([-jnp.inf, np.log(0.2), 1.0]), jnp.arange(3.0)
    prior = top()
    exact = np.maximum(np.array([0.0, 0.2, np.e])[:, None] * spread, 0.11)
    np.testing.assert_allclose(np.exp(prior.log_sigma), exact, rtol=1e-5)
    # Means are offset by the channel's own scale, not by the bounded one.
    means = np.arange(3.0)[:, None] + np.array([0.0, 0.2, np.e])[:, None] * [-0.1, 0.0, 0.1]
    np.testing.assert_allclose(prior.mu, means, atol=1e-6)
    np.testing.assert_array_equal(prior.centre, np.arange(3.0))


class Bare(Hyperprior):
    """Without its networks: what is asked of it needs no weight."""

    def __init__(self, form):
        self.form, self.mse_per_unit = form, 1.0


def test_the_width_of_y_never_falls_below_that_of_a_unit_box():
    """0.11 in a codec; in a bound the variance is s²σ̂² + 1/12, at any σ̂ and λ."""
    log_sigma, mu = jnp.array([-jnp.inf, -80.0, -5.0, -1.0, 2.0]), jnp.arange(5.0)
    for lmbda in (0.001, 0.05):
        s = (255 / 4) / np.sqrt(18 / (np.log(2) * lmbda))
        sigma = {}
        for form in ("codec", "bound"):
            prior = Bare(form).prior_of_y(mu, log_sigma, lmbda)
            assert isinstance(prior, Gaussian)
            np.testing.assert_allclose(prior.mu, s * mu, rtol=1e-5)
            sigma[form] = np.exp(np.asarray(prior.log_sigma, float))
        inner = s * np.exp(log_sigma)
        np.testing.assert_allclose(sigma["codec"], np.maximum(inner, 0.11), rtol=1e-5)
        np.testing.assert_allclose(sigma["bound"] ** 2, inner**2 + 1 / 12, rtol=1e-5)
        assert sigma["codec"].min() >= 0.11 * (1 - 1e-6)
        assert sigma["bound"].min() ** 2 >= (1 - 1e-6) / 12
