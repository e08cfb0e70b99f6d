"""Every gap of a quantized codec of Gaussian vectors, against its closed form.

Through the evaluation that photographs take: the same methods, refinement, range
coder, table and gaps. Models are linear and their weights set by hand, so that
the truth of each method at a vector is a formula, or a minimum over a few integers,
computed here in float64.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from rdbound.analysis.gaps import gaps
from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.evaluation.evaluate import evaluate, exact_rows
from rdbound.evaluation.examples import VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.models import make_model
from rdbound.optimization.refinement import RefinementOptions
from rdbound.sources.gaussian import GaussianSource

VARIANCES, LMBDA = (4.0, 1.0), 3.0
GAIN, SHRINK, LOG_SIGMA = 1.7, 0.9, -1.4
PRIOR_SIGMA = (3.0, 1.6)
DRAWN = 6_000


def _linear(form):
    """y = GAIN·x, x̂ = SHRINK·y/GAIN, priors N(0, PRIOR_SIGMA²): good, and not optimal."""
    model = make_model("mlp", form, LMBDA, dimension=2, hidden=())
    model.encoder.layers[0].kernel[...] = jnp.eye(2)
    model.decoder.layers[0].kernel[...] = jnp.eye(2)
    model.gain_in[...] = jnp.full(2, GAIN)
    model.gain_out[...] = jnp.full(2, SHRINK / GAIN)
    # The posterior's scale is this less one (see MLP.infer).
    model.log_sigma.bias[...] = jnp.full(2, LOG_SIGMA + 1.0)
    model.top.mu[...] = jnp.zeros(2)
    model.top.log_sigma[...] = jnp.log(jnp.asarray(PRIOR_SIGMA))
    if form == "codec":  # the mixture becomes one Gaussian
        model.top.offset[...] = jnp.zeros((2, 3))
        model.top.spread[...] = jnp.zeros((2, 3))
    return Checkpoint(model, {}, None, form)


def _quantized(x, k, sigma):
    """J of the integer k at x: ideal bits and distortion."""
    bits = -np.log2(
        np.maximum(ndtr((0.5 - np.abs(k)) / sigma) - ndtr((-0.5 - np.abs(k)) / sigma), 1e-300)
    )
    return bits + LMBDA * (x - SHRINK * k / GAIN) ** 2


def _analog(x, mu, sigma, prior):
    """J of the Gaussian channel, its noise integrated out."""
    kl = np.log(prior / sigma) + (sigma**2 + mu**2) / (2 * prior**2) - 0.5
    d = SHRINK / GAIN
    return kl / np.log(2) + LMBDA * ((x - d * mu) ** 2 + d**2 * sigma**2)


def _truth(x, prior):
    """J of each method at each of the numbers x under the prior of their coordinate."""
    around = np.round(GAIN * x) + np.arange(-4, 5).reshape(-1, *(1,) * x.ndim)
    # Where the gradient is zero: J is a quadratic in μ, and 1/σ² its curvature.
    d = SHRINK / GAIN
    curvature = 1 / prior**2 + 2 * np.log(2) * LMBDA * d**2
    mu = 2 * np.log(2) * LMBDA * d * x / curvature
    return {
        "codec-ideal": _quantized(x, np.round(GAIN * x), prior),
        "codec-refined-ideal": _quantized(x, around, prior).min(0),
        "bound": _analog(x, GAIN * x, np.exp(LOG_SIGMA), prior),
        "bound-refined": _analog(x, mu, curvature**-0.5, prior),
    }


@pytest.fixture(scope="module")
def measured():
    source = GaussianSource(VARIANCES)
    examples = VectorExamples("gaussian", source, DRAWN, 12, 0)
    options = EvaluationOptions(
        lmbdas=(LMBDA,),
        samples=8,
        refine=RefinementOptions(steps=400, learning_rate=0.05, check_every=100, check_samples=128),
        batch=12,
        surrogates={"sga": {"start": 50 / 400, "final": 0.5 * np.exp(-0.03 * 350)}},
    )
    rows = [r for c in ("bound", "codec") for r in evaluate(_linear(c), examples, options)]
    x = np.stack(examples.batch(tuple(range(12)), 1).originals).astype(np.float64)
    truth = {name: J.mean((1, 2)) for name, J in _truth(x, np.asarray(PRIOR_SIGMA)).items()}
    return rows + exact_rows(examples, (LMBDA,)), truth


def _blocks(values):
    """(mean, its standard error) over the blocks."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5


def _gap_of_blocks(rows, name):
    return np.array([g.value for g in gaps(rows) if g.gap == name and g.image != "mean"])


# What a search of 400 steps, stochastic and ending warm, leaves of the optimum.
SLACK = {"codec-ideal": 1e-5, "bound": 1e-5, "bound-refined": 5e-3, "codec-refined-ideal": 5e-3}


@pytest.mark.parametrize("method", SLACK)
def test_each_method_has_the_J_of_its_formula(measured, method):
    rows, truth = measured
    J = np.array([r.J for r in rows if r.method == method])
    value, error = _blocks(J - truth[method])
    assert -4 * error - 1e-5 < value < 4 * error + SLACK[method]


def test_amortization_digitization_and_modeling_are_those_of_the_formulas(measured):
    rows, J = measured
    exact = GaussianSource(VARIANCES).exact(LMBDA).J(LMBDA)
    for name, expected in (
        ("amortization", J["codec-ideal"] - J["codec-refined-ideal"]),
        ("digitization", J["codec-refined-ideal"] - J["bound-refined"]),
        ("modeling", J["bound-refined"] - exact),
        ("bound-amortization", J["bound"] - J["bound-refined"]),
    ):
        value, error = _blocks(_gap_of_blocks(rows, name) - expected)
        assert expected.mean() > 0.01, "there is a gap to measure"
        assert abs(value) < 4 * error + 5e-3, name


def test_closed_forms_agree_with_the_integrals():
    """The formulas above, averaged over the source by quadrature, against known answers."""
    x = np.linspace(-9, 9, 36_001)
    weight = norm.pdf(x) / norm.pdf(x).sum()
    # A prior and synthesis at their best for N(0, 1): J is that of the exact R(D).
    d = 1 / (2 * np.log(2) * LMBDA)
    spread, share = (1 - d) ** 0.5, 1 - d
    kl = (
        np.log(spread / (share * d) ** 0.5) + (share * d + (share * x) ** 2) / (2 * spread**2) - 0.5
    )
    J = kl / np.log(2) + LMBDA * ((x - share * x) ** 2 + share * d)
    assert np.sum(weight * J) == pytest.approx(
        GaussianSource((1.0,)).exact(LMBDA).J(LMBDA), abs=1e-6
    )


def test_the_asymptotic_gap_is_the_container_and_the_last_word(measured):
    pixels = DRAWN // 12 * 2
    value = _gap_of_blocks(measured[0], "asymptotic").mean()
    # 24 fixed bytes, sizes of 2 and 1, a length of 2; then a word of 32 bits at most, and
    # frequencies of 20 bits.
    header = 8 * 29
    assert header / pixels < value + 1e-3
    assert value < (header + 40) / pixels + 2e-3


def test_the_parts_add_up_to_the_total_and_no_bound_lies_below_the_truth(measured):
    rows, _ = measured
    found = {(g.image, g.gap): g.value for g in gaps(rows)}
    assert "codec-refined-real" not in {r.method for r in rows}, "vectors are never rounded"
    parts = ("asymptotic", "amortization", "digitization", "modeling")
    for image in {image for image, _ in found}:
        total = sum(found[image, part] for part in parts)
        assert total == pytest.approx(found[image, "total"], abs=1e-9)
    value, error = _blocks([r.J for r in rows if r.method == "bound-refined"])
    assert value > GaussianSource(VARIANCES).exact(LMBDA).J(LMBDA) - 4 * error
